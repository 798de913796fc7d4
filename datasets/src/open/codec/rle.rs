//! DICOM RLE, PS3.5 Annex G: PackBits per byte plane.

use super::{CodecError, Samples};

/// Decodes one frame of `pixels` pixels with `channels` samples of `bytes` bytes each.
pub(in crate::open) fn decode(
    data: &[u8],
    pixels: usize,
    channels: usize,
    bytes: usize,
) -> Result<Samples, CodecError> {
    let word = |index: usize| {
        let at = data.get(index * 4..index * 4 + 4);
        at.and_then(|b| b.try_into().ok())
            .map(u32::from_le_bytes)
            .map(|v| v as usize)
    };
    let header = || CodecError::corrupt("RLE header of 64 bytes missing");
    if data.len() < 64 {
        return Err(header());
    }
    let segments = word(0).ok_or_else(header)?;
    if segments != channels * bytes || segments > 15 {
        return Err(CodecError::corrupt(format!(
            "{segments} RLE segments where {} belong",
            channels * bytes
        )));
    }
    let mut planes = Vec::with_capacity(segments);
    for segment in 0..segments {
        let start = word(1 + segment).ok_or_else(header)?;
        let next = if segment + 1 < segments {
            word(2 + segment)
        } else {
            Some(data.len())
        };
        let packed = next.and_then(|end| data.get(start..end)).ok_or_else(|| {
            CodecError::corrupt(format!("RLE segment {segment} lies outside the frame"))
        })?;
        planes.push(unpack(packed, pixels, segment)?);
    }
    // Planes come sample by sample, the most significant byte first (PS3.5 G.2).
    let pattern = |pixel: usize, channel: usize| {
        let planes = &planes[channel * bytes..(channel + 1) * bytes];
        planes
            .iter()
            .fold(0_u32, |value, plane| value << 8 | u32::from(plane[pixel]))
    };
    let patterns = (0..pixels).flat_map(|p| (0..channels).map(move |c| (p, c)));
    Ok(match bytes {
        1 => Samples::U8(patterns.map(|(p, c)| pattern(p, c) as u8).collect()),
        2 => Samples::U16(patterns.map(|(p, c)| pattern(p, c) as u16).collect()),
        4 => Samples::U32(patterns.map(|(p, c)| pattern(p, c)).collect()),
        _ => {
            return Err(CodecError::unsupported(format!(
                "RLE of {bytes}-byte samples"
            )));
        }
    })
}

/// PackBits, PS3.5 G.3.1; stops once `size` bytes are out, since segments may be padded.
fn unpack(packed: &[u8], size: usize, segment: usize) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::with_capacity(size);
    let mut rest = packed;
    while out.len() < size {
        let short = || {
            let got = out.len();
            CodecError::corrupt(format!(
                "RLE segment {segment} ends after {got} of {size} bytes"
            ))
        };
        let (&control, tail) = rest.split_first().ok_or_else(short)?;
        rest = match control {
            0..=127 => {
                let (literal, tail) = tail
                    .split_at_checked(usize::from(control) + 1)
                    .ok_or_else(short)?;
                out.extend_from_slice(literal);
                tail
            }
            128 => tail,
            129..=255 => {
                let (&value, tail) = tail.split_first().ok_or_else(short)?;
                out.resize(out.len() + 257 - usize::from(control), value);
                tail
            }
        };
    }
    out.truncate(size);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(segments: &[&[u8]]) -> Vec<u8> {
        let mut header = vec![0_u8; 64];
        let mut at = 64_u32;
        header[..4].copy_from_slice(&(segments.len() as u32).to_le_bytes());
        for (i, segment) in segments.iter().enumerate() {
            header[4 + 4 * i..8 + 4 * i].copy_from_slice(&at.to_le_bytes());
            at += segment.len() as u32;
        }
        header.into_iter().chain(segments.concat()).collect()
    }

    #[test]
    fn literals_runs_and_byte_planes() {
        // 0x0102, 0x0102, 0x0103, 0x0104 as a plane of high bytes and one of low bytes.
        let data = frame(&[&[253, 1], &[255, 2, 128, 1, 3, 4, 0]]);
        let decoded = decode(&data, 4, 1, 2).unwrap();
        assert_eq!(decoded, Samples::U16(vec![0x102, 0x102, 0x103, 0x104]));
    }

    #[test]
    fn refusals() {
        assert!(decode(&[0; 10], 4, 1, 1).is_err());
        assert!(
            decode(&frame(&[&[253, 1]]), 4, 1, 2).is_err(),
            "one plane missing"
        );
        assert!(
            decode(&frame(&[&[254, 1]]), 4, 1, 1).is_err(),
            "three bytes of four"
        );
    }
}
