//! Distances of forgeries and of a manifest's own fakes to held-out authentic images:
//! `forge_quality MANIFEST SET [MOST [FORGED...]]`, where FORGED are manifests that `forge sample` wrote of
//! images of that set, by trained families for instance.
//!
//! Authentic images of the manifest's set SET are split by patient as training does it. The test split is the reference;
//! forgeries are made of the training split, at most MOST (200) per modality. Figures are per modality,
//! because the mixture of modalities would drown them.

#![allow(clippy::print_stdout, reason = "the table is the output")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rand::SeedableRng;
use rand::rngs::StdRng;
use rayon::prelude::*;
use veraray_datasets::{
    Entry, GrayImage, ImageStatistics, Label, Manifest, OpenError, OpenOptions, Split,
    SplitOptions, TrainingFreeFamily, assign_splits, forge_image, open, plan_forgeries,
    set_distance,
};

fn grey(entry: &Entry) -> Result<GrayImage, OpenError> {
    Ok(open(&entry.path, &OpenOptions::default())?
        .frame(0)?
        .to_gray())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let manifest = arguments.next().ok_or("a manifest is needed")?;
    let set = arguments.next().ok_or("a set is needed")?;
    let most: usize = arguments.next().map_or(Ok(200), |text| text.parse())?;
    let mut forged: Vec<Entry> = Vec::new();
    for path in arguments {
        let found = Manifest::read(Path::new(&path))?.entries;
        forged.extend(found.into_iter().filter(|e| e.label.is_manipulated()));
    }
    let entries: Vec<Entry> = Manifest::read(Path::new(&manifest))?
        .entries
        .into_iter()
        .filter(|entry| entry.set == set)
        .collect();
    let splits = assign_splits(&entries, &SplitOptions::default());
    let modalities: BTreeSet<&str> = entries.iter().map(|e| e.modality.as_str()).collect();
    let measured = |keep: &(dyn Fn(usize) -> bool + Sync)| -> Result<Vec<_>, OpenError> {
        let chosen: Vec<usize> = (0..entries.len())
            .filter(|&at| keep(at))
            .take(most)
            .collect();
        chosen
            .par_iter()
            .map(|&at| Ok(ImageStatistics::of(&grey(&entries[at])?)))
            .collect()
    };
    let mut table: BTreeMap<String, BTreeMap<&str, (f64, f64, usize)>> = BTreeMap::new();
    for &modality in &modalities {
        let of = |at: usize, label: Label| {
            entries[at].modality == modality && entries[at].label == label
        };
        let reference = measured(&|at| of(at, Label::Real) && splits[at] == Split::Test)?;
        let mut put = |name: String, found: &[ImageStatistics]| {
            if found.len() > 1 {
                let distance = set_distance(&reference, found);
                let row = table.entry(name).or_default();
                row.insert(
                    modality,
                    (distance.kernel, distance.spectrum_db, found.len()),
                );
            }
        };
        let reals = measured(&|at| of(at, Label::Real) && splits[at] == Split::Train)?;
        put("0 authentic (other patients)".into(), &reals);
        let generators: BTreeSet<&str> = entries.iter().map(|e| e.generator.as_str()).collect();
        for generator in generators.into_iter().filter(|name| !name.is_empty()) {
            let fakes = measured(&|at| {
                entries[at].generator == generator && entries[at].modality == modality
            })?;
            put(format!("1 {generator}"), &fakes);
        }
        let families: BTreeSet<&str> = forged.iter().map(|e| e.generator.as_str()).collect();
        for family in families {
            let fakes: Vec<ImageStatistics> = forged
                .iter()
                .filter(|e| e.generator == family && e.modality.eq_ignore_ascii_case(modality))
                .take(most)
                .map(|entry| Ok(ImageStatistics::of(&grey(entry)?)))
                .collect::<Result<_, OpenError>>()?;
            put(format!("3 {family} (fitted)"), &fakes);
        }
        for family in TrainingFreeFamily::ALL {
            let tasks: Vec<_> =
                plan_forgeries(family, &entries, &splits, Some(Split::Train), None, 2026)
                    .into_iter()
                    .filter(|task| entries[task.parent].modality == modality)
                    .take(most)
                    .collect();
            let fakes: Vec<ImageStatistics> = tasks
                .par_iter()
                .map(|task| {
                    let donor = task.donor.map(|at| grey(&entries[at])).transpose()?;
                    let mut rng = StdRng::seed_from_u64(task.seed);
                    let image = grey(&entries[task.parent])?;
                    let forgery = forge_image(family, &image, donor.as_ref(), &mut rng);
                    Ok(ImageStatistics::of(&forgery.image))
                })
                .collect::<Result<_, OpenError>>()?;
            put(format!("2 {family}"), &fakes);
        }
    }
    let head: Vec<String> = modalities
        .iter()
        .map(|m| format!("{m}: kernel | {m}: spectrum, dB | {m}: images"))
        .collect();
    println!("| images | {} |", head.join(" | "));
    println!("|---|{}", "---|".repeat(3 * modalities.len()));
    for (name, row) in table {
        let cells: Vec<String> = modalities
            .iter()
            .map(|m| match row.get(m) {
                Some((kernel, spectrum, count)) => format!("{kernel:.2} | {spectrum:.2} | {count}"),
                None => "– | – | –".into(),
            })
            .collect();
        // The digit only sorts.
        println!("| {} | {} |", &name[2..], cells.join(" | "));
    }
    Ok(())
}
