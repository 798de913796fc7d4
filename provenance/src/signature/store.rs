//! Writing a signed file: whole or not at all, and for its owner alone.

use std::io::Write as _;
use std::path::Path;

use super::error::SignatureError;

/// Whether `output` is the input itself, which may be replaced.
///
/// # Errors
/// When something stands under that name that must stay.
pub(crate) fn may_write(
    input: &Path,
    output: &Path,
    in_place: bool,
) -> Result<bool, SignatureError> {
    let same = match (input.canonicalize(), output.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    };
    let replace = same && in_place;
    if output.symlink_metadata().is_ok() && !replace {
        return Err(SignatureError::WouldOverwrite {
            path: output.to_owned(),
        });
    }
    Ok(replace)
}

/// Writes `bytes` under the name `output`; `replace` means that it is the input's own name, whose
/// rights the result then keeps.
pub(crate) fn write(
    input: &Path,
    bytes: &[u8],
    output: &Path,
    replace: bool,
) -> Result<(), SignatureError> {
    let failed = |source| SignatureError::Write {
        path: output.to_owned(),
        source,
    };
    // A link is followed, so that the file it names is replaced and not the link.
    let target = if replace {
        output.canonicalize().map_err(failed)?
    } else {
        output.to_owned()
    };
    let folder = target
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    // Made with mode 0600 in the folder of the result, so that the last step is a rename.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(bytes)
        .and_then(|()| file.as_file().sync_all())
        .map_err(failed)?;
    if replace {
        let rights = std::fs::metadata(input).map_err(failed)?.permissions();
        file.as_file().set_permissions(rights).map_err(failed)?;
        file.persist(&target).map_err(|e| failed(e.error))?;
    } else {
        file.persist_noclobber(&target)
            .map_err(|e| match e.error.kind() {
                std::io::ErrorKind::AlreadyExists => SignatureError::WouldOverwrite {
                    path: output.to_owned(),
                },
                _ => failed(e.error),
            })?;
    }
    Ok(())
}
