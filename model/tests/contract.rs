//! What every architecture must keep to: shapes, finite output, a gradient for every parameter,
//! save/load equality, batch independence, and a bounded cost.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Distribution, Tensor};
use veraray_model::{
    Calibration, Card, Checkpoint, ComputeDevice, Detector, DetectorConfig, DeviceChoice,
    FORMAT_VERSION, InputSpec, LossWeights, ModelError, Provenance,
};

fn cpu() -> Device {
    ComputeDevice::select(DeviceChoice::Cpu)
        .expect("the CPU is always there")
        .handle()
        .clone()
}

fn architectures() -> Vec<DetectorConfig> {
    vec![
        DetectorConfig::default(),
        DetectorConfig {
            spatial: [8, 8, 16, 16],
            frequency_local: 8,
            noise_level: 0,
            // Few rectified units over statistics that hardly differ between noise tiles are now and
            // then all dead at their first weights.
            frequency_global: 32,
            fused: 16,
            dropout: 0.0,
            context: false,
        },
        DetectorConfig {
            context: true,
            ..DetectorConfig::default()
        },
        DetectorConfig {
            noise_level: 24,
            context: true,
            ..DetectorConfig::default()
        },
    ]
}

fn card(architecture: DetectorConfig) -> Card {
    Card {
        format_version: FORMAT_VERSION,
        name: "contract".into(),
        version: "0".into(),
        architecture,
        input: InputSpec::default(),
        calibration: Calibration::identity(),
        modalities: vec!["CT".into()],
        families: Vec::new(),
        provenance: Provenance::default(),
        metrics: Vec::new(),
        limits: Vec::new(),
        licence: "MIT OR Apache-2.0".into(),
        calibration_set: None,
        out_of_distribution: None,
    }
}

fn noise(shape: [usize; 4], device: &Device) -> Tensor<4> {
    Tensor::random(shape, Distribution::Uniform(0.0, 1.0), device)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec::<f32>().expect("floats")
}

#[test]
fn shapes_and_finite_output() {
    let device = cpu();
    for config in architectures() {
        let detector = config.init(&device).expect("valid");
        for [height, width] in [[256, 256], [64, 96], [32, 32]] {
            let found = detector.forward(noise([3, 1, height, width], &device));
            assert_eq!(found.logits.dims(), [3]);
            assert_eq!(found.map.dims(), [3, height / 16, width / 16]);
            assert!(values(found.logits).iter().all(|v| v.is_finite()));
            assert!(values(found.map).iter().all(|v| v.is_finite()));
        }
        // Extremes: black, white and a plane of one value must not overflow the logarithms.
        for level in [0.0, 0.5, 1.0] {
            let flat = Tensor::<4>::full([1, 1, 64, 64], level, &device);
            assert!(values(detector.forward(flat).logits)[0].is_finite());
        }
    }
}

struct Gradients<'a> {
    gradients: &'a GradientsParams,
    seen: usize,
    missing: Vec<String>,
}

impl ModuleVisitor for Gradients<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !param.is_require_grad() {
            return;
        }
        self.seen += 1;
        let nonzero = self
            .gradients
            .get::<D>(param.id)
            .is_some_and(|g| values(g).iter().any(|v| *v != 0.0 && v.is_finite()));
        if !nonzero {
            self.missing.push(format!("{:?}", param.val().dims()));
        }
    }
}

#[test]
fn every_parameter_gets_a_gradient() {
    let device = cpu().autodiff();
    for config in architectures() {
        let detector = config.init(&device).expect("valid");
        let found = detector.forward(noise([4, 1, 64, 64], &device));
        let labels = Tensor::from_floats([0.0, 1.0, 0.0, 1.0], &device);
        let masks = Tensor::random([4, 4, 4], Distribution::Uniform(0.0, 1.0), &device);
        let loss = Detector::loss(&found, labels, masks, LossWeights::default());
        let gradients = GradientsParams::from_grads(loss.total.backward(), &detector);
        let mut visitor = Gradients {
            gradients: &gradients,
            seen: 0,
            missing: Vec::new(),
        };
        detector.visit(&mut visitor);
        assert!(visitor.seen > 30, "only {} parameters", visitor.seen);
        assert!(
            visitor.missing.is_empty(),
            "no gradient: {:?}",
            visitor.missing
        );
    }
}

#[test]
fn a_checkpoint_reads_back_equal() {
    let device = cpu();
    let folder = tempfile::tempdir().expect("a folder");
    let input = noise([2, 1, 128, 128], &device);
    for config in architectures() {
        let written = Checkpoint {
            card: card(config.clone()),
            detector: config.init(&device).expect("valid"),
            sha256: String::new(),
        };
        let path = folder.path().join("a.vrc");
        written.save(&path).expect("saved");
        let read = Checkpoint::load(&path, &device).expect("loaded");
        assert_eq!(read.card, written.card);
        assert_eq!(read.sha256.len(), 64);
        assert_eq!(
            values(read.detector.forward(input.clone()).logits),
            values(written.detector.forward(input.clone()).logits),
        );
    }
}

#[test]
fn a_tile_does_not_depend_on_its_batch() {
    let device = cpu();
    for config in architectures() {
        let detector = config.init(&device).expect("valid");
        let batch = noise([5, 1, 128, 128], &device);
        let together = values(detector.forward(batch.clone()).logits);
        for (index, expected) in together.iter().enumerate() {
            let alone = values(detector.forward(batch.clone().narrow(0, index, 1)).logits)[0];
            assert!(
                (alone - expected).abs() < 1e-4,
                "{alone} against {expected}"
            );
        }
    }
}

#[test]
fn a_folded_detector_says_the_same() {
    let device = cpu();
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../infer/assets/default.vrc");
    let shipped = Checkpoint::load(shipped.as_ref(), &device).expect("it ships");
    let fresh = architectures()
        .into_iter()
        .map(|config| config.init(&device).expect("valid"));
    for detector in fresh.chain([shipped.detector]) {
        let pixels = noise([2, 1, 64, 96], &device);
        let plain = detector.forward(pixels.clone());
        let folded = detector.folded().folded().forward(pixels);
        for (plain, folded) in [
            (values(plain.logits), values(folded.logits)),
            (values(plain.map), values(folded.map)),
            (values(plain.features), values(folded.features)),
        ] {
            assert_eq!(plain.len(), folded.len());
            for (plain, folded) in plain.iter().zip(&folded) {
                assert!((plain - folded).abs() < 1e-3, "{plain} against {folded}");
            }
        }
    }
}

#[test]
fn the_default_stays_small() {
    let detector = DetectorConfig::default().init(&cpu()).expect("valid");
    assert!(
        detector.num_params() < 3_000_000,
        "{}",
        detector.num_params()
    );
}

#[test]
fn what_is_not_a_checkpoint_is_refused_by_name() {
    let device = cpu();
    let config = DetectorConfig::default();
    let good = Checkpoint {
        card: card(config.clone()),
        detector: config.init(&device).expect("valid"),
        sha256: String::new(),
    };
    let bytes = good.to_bytes().expect("bytes");
    let read = |bytes: &[u8]| Checkpoint::from_bytes(bytes, "x.vrc", &device);
    for cut in [0, 7, 8, 100, bytes.len() / 2, bytes.len() - 1] {
        let error = read(&bytes[..cut]).expect_err("cut off").to_string();
        assert!(error.contains("x.vrc"), "{error}");
    }
    let mut other = good.card.clone();
    other.architecture.fused = 64;
    let wrong = Checkpoint {
        card: other,
        ..good
    };
    let error = read(&wrong.to_bytes().expect("bytes")).expect_err("other shape");
    assert!(matches!(error, ModelError::Weights { .. }), "{error}");

    let mut newer = wrong.card.clone();
    newer.format_version = FORMAT_VERSION + 1;
    let newer = Checkpoint {
        card: newer,
        ..wrong
    };
    let error = read(&newer.to_bytes().expect("bytes")).expect_err("newer");
    assert!(matches!(error, ModelError::FormatVersion { .. }), "{error}");
}

#[test]
fn a_configuration_that_cannot_be_built_is_refused() {
    for config in [
        DetectorConfig {
            fused: 0,
            ..DetectorConfig::default()
        },
        DetectorConfig {
            noise_level: 1 << 40,
            ..DetectorConfig::default()
        },
        DetectorConfig {
            dropout: 1.0,
            ..DetectorConfig::default()
        },
        DetectorConfig {
            spatial: [16, 24, 48, 1 << 40],
            ..DetectorConfig::default()
        },
    ] {
        assert!(matches!(config.init(&cpu()), Err(ModelError::Config(_))));
    }
}

#[test]
fn a_detector_that_learns_of_noise_levels_says_at_first_what_it_said() {
    let device = cpu();
    let before = DetectorConfig {
        context: true,
        ..DetectorConfig::default()
    };
    let after = DetectorConfig {
        noise_level: 24,
        ..before.clone()
    };
    let old = before.init(&device).expect("valid");
    let new = old
        .clone()
        .with_noise_level(&before, &after, &device)
        .expect("nothing else differs");
    assert!(new.num_params() > old.num_params());
    let pixels = noise([2, 1, 64, 96], &device);
    let [old, new] = [old, new].map(|detector| detector.forward(pixels.clone()));
    for (old, new) in values(old.map).iter().zip(values(new.map)) {
        assert!((old - new).abs() < 1e-5, "{old} {new}");
    }
    for (from, to) in [
        (&after, &after),
        (
            &before,
            &DetectorConfig {
                fused: 64,
                ..after.clone()
            },
        ),
    ] {
        let detector = from.init(&device).expect("valid");
        let error = detector.with_noise_level(from, to, &device);
        assert!(matches!(error, Err(ModelError::Config(_))));
    }
}

#[test]
fn the_kernels_find_what_burns_own_operations_find() {
    // Frozen within a graph that reaches the pixels, a detector runs on Burn's own operations.
    let device = cpu();
    let mut detectors: Vec<(Detector, Detector)> = Vec::new();
    for config in architectures() {
        let written = Checkpoint {
            card: card(config.clone()),
            detector: config.init(&device).expect("valid"),
            sha256: String::new(),
        };
        let bytes = written.to_bytes().expect("bytes");
        let other = Checkpoint::from_bytes(&bytes, "x.vrc", &device.clone().autodiff());
        detectors.push((written.detector, other.expect("readable").detector));
    }
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../infer/assets/default.vrc");
    let [plain, graph] = [device.clone(), device.clone().autodiff()]
        .map(|device| Checkpoint::load(shipped.as_ref(), &device).expect("it ships"));
    detectors.push((plain.detector, graph.detector));
    for (plain, graph) in detectors {
        let graph = graph.freeze();
        for [height, width] in [[256, 256], [160, 224], [32, 32]] {
            let pixels = noise([2, 1, height, width], &device);
            let found = plain.forward(pixels.clone());
            let expected = graph.forward(pixels.autodiff().require_grad());
            let pairs = [
                (values(found.logits), values(expected.logits)),
                (values(found.map), values(expected.map)),
            ];
            for (found, expected) in pairs {
                for (found, expected) in found.iter().zip(expected) {
                    let error = (found - expected).abs() / (1.0 + expected.abs());
                    assert!(error < 1e-4, "{found} against {expected}");
                }
            }
        }
    }
}
