//! Evidence that needs no neural network: DICOM digital signatures and a transparency log.
