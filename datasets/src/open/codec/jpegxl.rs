//! JPEG XL, as a bare code stream or in its container.

use jxl_oxide::{AllocTracker, JxlImage};

use super::{Claim, CodecError, Decoded, Samples};

fn parse(data: &[u8], memory: usize) -> Result<JxlImage, CodecError> {
    JxlImage::builder()
        .alloc_tracker(AllocTracker::with_limit(memory))
        .read(data)
        .map_err(|error| CodecError::corrupt(format!("JPEG XL: {error}")))
}

fn claim_of(image: &JxlImage) -> Claim {
    Claim {
        rows: image.height(),
        columns: image.width(),
        channels: if image.pixel_format().is_grayscale() {
            1
        } else {
            3
        },
        precision: image
            .image_header()
            .metadata
            .bit_depth
            .bits_per_sample()
            .min(255) as u8,
    }
}

/// Size and depth from the headers.
pub(in crate::open) fn claim(data: &[u8]) -> Result<Claim, CodecError> {
    // The headers and frame index of any sane image fit into this.
    parse(data, 256 << 20).map(|image| claim_of(&image))
}

/// Decodes the first key frame, using at most `memory` bytes.
pub(in crate::open) fn decode(data: &[u8], memory: usize) -> Result<Decoded, CodecError> {
    let image = parse(data, memory)?;
    let Claim {
        rows,
        columns,
        channels,
        precision,
    } = claim_of(&image);
    if precision > 16 {
        return Err(CodecError::unsupported(format!(
            "JPEG XL of {precision} bits"
        )));
    }
    let failed = |error| CodecError::corrupt(format!("JPEG XL: {error}"));
    let render = image.render_frame(0).map_err(failed)?;
    let mut stream = render.stream_no_alpha();
    let mut samples = vec![0_f32; rows as usize * columns as usize * channels as usize];
    if stream.channels() != u32::from(channels)
        || stream.write_to_buffer(&mut samples) != samples.len()
    {
        return Err(CodecError::corrupt(
            "JPEG XL frame of another size than its image",
        ));
    }
    let top = f32::from(u16::MAX >> (16 - precision.max(1)));
    let integer = |v: f32| (v * top).round().clamp(0.0, top) as u16;
    let samples = Samples::narrow(samples.into_iter().map(integer).collect(), precision);
    Ok(Decoded {
        rows,
        columns,
        channels: channels as u8,
        precision,
        samples,
    })
}
