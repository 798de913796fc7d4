//! A signed file and what is done to it.
#![allow(dead_code, missing_docs)]

use std::path::{Path, PathBuf};

use veraray_provenance::signature::*;

use super::{credentials, dcmsign, run, sample};

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub fn options(trust: &str) -> VerifyOptions<'static> {
    VerifyOptions {
        trust: TrustStore::from_path(&credentials().path(trust)).unwrap(),
        ..VerifyOptions::default()
    }
}

pub fn signer(name: &str) -> SignOptions {
    let c = credentials();
    SignOptions::from_files(
        &c.path(&format!("{name}.key")),
        &c.path(&format!("{name}.pem")),
    )
    .unwrap()
}

pub struct Case {
    pub dir: tempfile::TempDir,
    pub file: PathBuf,
}

impl Case {
    pub fn new(source: &str, sign: &SignOptions) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.dcm");
        sign_file(&sample(source), sign, &file).unwrap();
        Self { dir, file }
    }

    pub fn by_dcmsign(source: &str, name: &str, flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.dcm");
        let (key, cert) = (
            credentials().path(&format!("{name}.key")),
            credentials().path(&format!("{name}.pem")),
        );
        let mut args = vec!["-q", "+s", text(&key), text(&cert)];
        args.extend(flags);
        let from = sample(source);
        args.extend([text(&from), text(&file)]);
        assert_eq!(dcmsign(&args).0, 0);
        Self { dir, file }
    }

    /// Runs a program as `program args... in out`, and goes on with what it wrote.
    pub fn through(mut self, program: &str, args: &[&str]) -> Self {
        let next = self.file.with_extension("next.dcm");
        let mut all = args.to_vec();
        all.extend([text(&self.file), text(&next)]);
        let out = run(program, &all, self.dir.path());
        assert!(
            out.status.success(),
            "{program}: {}",
            String::from_utf8_lossy(&out.stderr)
        );
        self.file = next;
        self
    }

    pub fn modify(self, args: &[&str]) -> Self {
        let mut all = vec!["-nb", "-imt"];
        all.extend(args);
        all.push(text(&self.file));
        let out = run("dcmodify", &all, self.dir.path());
        assert!(
            out.status.success(),
            "dcmodify: {}",
            String::from_utf8_lossy(&out.stderr)
        );
        self
    }

    pub fn bytes(self, edit: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut bytes = std::fs::read(&self.file).unwrap();
        edit(&mut bytes);
        std::fs::write(&self.file, bytes).unwrap();
        self
    }

    pub fn report(&self, options: &VerifyOptions<'_>) -> Report {
        verify_file(&self.file, options).unwrap()
    }

    pub fn is(&self, trust: &str, expected: Overall) -> Report {
        let report = self.report(&options(trust));
        assert_eq!(report.overall, expected, "{report:#?}");
        report
    }
}

pub fn find(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).position(|w| w == what).unwrap()
}

pub fn rfind(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).rposition(|w| w == what).unwrap()
}

pub fn whole(source: &str) -> Case {
    Case::new(source, &signer("rsa"))
}

pub fn names(list: &[ElementName]) -> Vec<&str> {
    list.iter().map(|n| n.name.as_str()).collect()
}

pub const CT: &str = "CT_small.dcm";

pub fn pem_der(name: &str) -> Vec<u8> {
    let out = run(
        "openssl",
        &["x509", "-in", &format!("{name}.pem"), "-outform", "DER"],
        credentials().dir.path(),
    );
    out.stdout
}
