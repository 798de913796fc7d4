//! The part of the page about the signal itself, which needs no detector.

use image::ImageError;
use maud::{Markup, html};

use crate::explain::explanation::Explanation;
use crate::explain::page::{curve, legend, png_uri};
use crate::explain::views;
use crate::report::colour;
use crate::report::raster::{data_uri, gray_png};

/// Spectrum, residual and noise.
pub(super) fn section(explanation: &Explanation) -> Result<Markup, ImageError> {
    Ok(html! {
        section {
            h2 { "The signal" }
            p.soft {
                "What follows is measured on the image alone. It shows the traces that generators \
                 often leave, and that compression, denoising and resampling leave as well."
            }
            (spectrum(explanation)?)
            (closeup(explanation)?)
            (noise(explanation)?)
        }
    })
}

fn spectrum(explanation: &Explanation) -> Result<Markup, ImageError> {
    let (Some(spectrum), Some(picture)) = (&explanation.spectrum, views::spectrum(explanation))
    else {
        return Ok(html! {});
    };
    let uri = png_uri(&picture)?;
    let of = |take: fn(f64, f64) -> f64, start: f64| {
        spectrum
            .radial
            .iter()
            .map(|point| point[1])
            .fold(start, take)
    };
    let range = [
        of(f64::min, f64::INFINITY).floor(),
        of(f64::max, f64::NEG_INFINITY).ceil(),
    ];
    let names = ["cycles per pixel", "log₁₀ power"];
    let finest = explanation
        .pixel_spacing
        .map(|[rows, _]| f64::from(rows))
        .filter(|spacing| *spacing > 0.0)
        .map(|spacing| format!(" (0.5 is {:.2} line pairs per millimetre)", 0.5 / spacing));
    Ok(html! {
        h3 { "Spectrum" }
        div.pair {
            figure {
                img.plate src=(uri) alt="Two-dimensional spectrum, logarithmic";
                figcaption {
                    "Logarithm of power, low frequencies in the middle; mean over "
                    (spectrum.blocks) " blocks of " (spectrum.side) "×" (spectrum.side)
                    " pixels. Isolated bright dots or a grid away from the middle are traces of \
                     enlargement, of a JPEG grid, or of a scatter grid."
                }
            }
            figure {
                (curve("Power by spatial frequency", names, &spectrum.radial, &[], [[0.0, 0.5], range]))
                figcaption {
                    "Power by frequency" @if let Some(finest) = finest { (finest) } "."
                    @if let Some(slope) = spectrum.slope {
                        " It falls as frequency to the power of " (format!("{slope:.2}").replace('-', "\u{2212}"))
                        ". White noise makes a plateau at the right end; a steep fall without one shows \
                         smoothing, and bumps or steps show resampling or compression."
                    }
                }
            }
        }
    })
}

fn closeup(explanation: &Explanation) -> Result<Markup, ImageError> {
    let (cut, [top, left]) = views::closeup(explanation);
    let whole = cut.rows == explanation.gray.rows && cut.columns == explanation.gray.columns;
    let place = format!(
        "columns {left}–{}, rows {top}–{}",
        left + cut.columns,
        top + cut.rows
    );
    let plain = data_uri("image/png", &gray_png(&cut)?);
    let residual = png_uri(&views::residual_picture(&cut))?;
    Ok(html! {
        h3 { "Residual" }
        div.pair {
            figure {
                img.plate.pixels src=(plain) alt="The place looked at";
                figcaption {
                    @if whole { "The whole image, pixel by pixel." }
                    @else { "Pixel by pixel around the most suspicious place: " (place) "." }
                }
            }
            figure {
                img.plate.pixels src=(residual) alt="High-pass residual of the same place";
                figcaption {
                    "What its neighbours do not explain of every pixel (a second-order residual, which \
                     the detector looks at too). Patches of another texture, block grids and smooth \
                     islands show here."
                }
            }
        }
    })
}

fn noise(explanation: &Explanation) -> Result<Markup, ImageError> {
    let (Some(noise), Some((picture, [low, high]))) =
        (&explanation.noise, views::noise(explanation))
    else {
        return Ok(html! {});
    };
    let uri = png_uri(&picture)?;
    let share = |value: f64| value * 100.0;
    let line: Vec<[f64; 2]> = noise
        .function
        .iter()
        .map(|[level, _, median, _]| [*level, share(*median)])
        .collect();
    let band: Vec<[f64; 3]> = noise
        .function
        .iter()
        .map(|[level, low, _, high]| [*level, share(*low), share(*high)])
        .collect();
    let most = band.iter().map(|point| point[2]).fold(0.0, f64::max);
    let names = ["grey level", "noise, % of the range"];
    Ok(html! {
        h3 { "Noise" }
        div.pair {
            figure {
                img.plate.pixels src=(uri) alt="Strength of the noise by place";
                (legend(
                    &format!("{:.2} %", share(f64::from(low))),
                    &format!("{:.2} %", share(f64::from(high))),
                    &colour::gradient(colour::heat, 0.0),
                    None,
                ))
                figcaption {
                    "Standard deviation of the noise in blocks of 8×8 pixels, in per cent of the grey \
                     range; edges count as noise. Median " (format!("{:.2} %", share(noise.median))) "."
                }
            }
            @if line.len() >= 2 && most > 0.0 {
                figure {
                    (curve("Noise by grey level", names, &line, &band, [[0.0, 1.0], [0.0, most * 1.05]]))
                    figcaption {
                        "Noise-level function: median noise against grey level, with quartiles. A \
                         detector's noise depends on its signal, and windowing changes it again: \
                         compare with another image of the same device. The same grain at every \
                         level is what generators and added noise tend to show."
                    }
                }
            }
        }
    })
}
