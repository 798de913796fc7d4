//! Certificates made by openssl, files of pydicom, and the programs the tests talk to.
#![allow(dead_code, missing_docs)]

pub mod case;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

pub struct Credentials {
    pub dir: tempfile::TempDir,
}

impl Credentials {
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

pub fn run(program: &str, args: &[&str], dir: &Path) -> Output {
    Command::new(program)
        .args(args)
        .current_dir(dir)
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}"))
}

fn openssl(dir: &Path, args: &[&str]) {
    let out = run("openssl", args, dir);
    assert!(
        out.status.success(),
        "openssl {args:?}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
}

const CONFIG: &str = "
[ca]
default_ca = own
[own]
dir = .
database = index.txt
serial = serial
crlnumber = crlnumber
new_certs_dir = .
default_md = sha256
policy = any
default_crl_days = 3000
unique_subject = no
[any]
commonName = supplied
organizationName = optional
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[sub]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[device]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature,nonRepudiation
[wrong]
basicConstraints = critical,CA:FALSE
keyUsage = critical,keyEncipherment
[tsa]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[tsa_config]
default_tsa = stamp
[stamp]
serial = tsaserial
default_policy = 1.2.3.4
digests = sha256, sha384, sha512
accuracy = secs:1
ess_cert_id_chain = no
ess_cert_id_alg = sha256
signer_digest = sha256
";

fn key(dir: &Path, name: &str, kind: &str) {
    let file = format!("{name}.key");
    let algorithm: &[&str] = match kind {
        "p256" => &[
            "-algorithm",
            "EC",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-pkeyopt",
            "ec_param_enc:named_curve",
        ],
        "p384" => &[
            "-algorithm",
            "EC",
            "-pkeyopt",
            "ec_paramgen_curve:P-384",
            "-pkeyopt",
            "ec_param_enc:named_curve",
        ],
        "p521" => &[
            "-algorithm",
            "EC",
            "-pkeyopt",
            "ec_paramgen_curve:P-521",
            "-pkeyopt",
            "ec_param_enc:named_curve",
        ],
        "512" => &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:512"],
        "1024" => &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"],
        _ => &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    };
    openssl(dir, &[&["genpkey", "-out", &file], algorithm].concat());
}

fn certify(
    dir: &Path,
    name: &str,
    kind: &str,
    section: &str,
    by: Option<&str>,
    from: &str,
    until: &str,
) {
    key(dir, name, kind);
    let (key, csr, pem) = (
        format!("{name}.key"),
        format!("{name}.csr"),
        format!("{name}.pem"),
    );
    openssl(
        dir,
        &[
            "req",
            "-new",
            "-key",
            &key,
            "-subj",
            &format!("/CN={name}/O=Veraray Test"),
            "-out",
            &csr,
        ],
    );
    let by_key = format!("{}.key", by.unwrap_or(name));
    let by_pem = format!("{}.pem", by.unwrap_or(name));
    let mut args = vec![
        "ca",
        "-batch",
        "-notext",
        "-config",
        "ca.cnf",
        "-extensions",
        section,
        "-startdate",
        from,
        "-enddate",
        until,
        "-in",
        &csr,
        "-out",
        &pem,
        "-keyfile",
        &by_key,
    ];
    if by.is_some() {
        args.extend(["-cert", &by_pem])
    } else {
        args.push("-selfsign")
    }
    openssl(dir, &args);
}

/// Everything the tests sign with, made once per test program.
pub fn credentials() -> &'static Credentials {
    static MADE: OnceLock<Credentials> = OnceLock::new();
    MADE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let d = dir.path();
        std::fs::write(d.join("ca.cnf"), CONFIG).unwrap();
        for (file, text) in [
            ("index.txt", ""),
            ("serial", "1000"),
            ("crlnumber", "01"),
            ("tsaserial", "01"),
        ] {
            std::fs::write(d.join(file), text).unwrap();
        }
        let (early, late) = ("20200101000000Z", "20400101000000Z");
        certify(d, "root", "rsa", "root", None, early, late);
        certify(d, "other", "rsa", "root", None, early, late);
        certify(d, "sub", "rsa", "sub", Some("root"), early, late);
        certify(d, "deep", "rsa", "sub", Some("sub"), early, late);
        for (name, kind) in [
            ("rsa", "rsa"),
            ("p256", "p256"),
            ("p384", "p384"),
            ("p521", "p521"),
            ("tiny", "512"),
            ("short", "1024"),
            ("gone", "rsa"),
        ] {
            certify(d, name, kind, "device", Some("root"), early, late);
        }
        certify(d, "viasub", "rsa", "device", Some("sub"), early, late);
        certify(d, "viadeep", "rsa", "device", Some("deep"), early, late);
        certify(d, "vialeaf", "rsa", "device", Some("rsa"), early, late);
        certify(d, "wronguse", "rsa", "wrong", Some("root"), early, late);
        certify(
            d,
            "past",
            "rsa",
            "device",
            Some("root"),
            early,
            "20210101000000Z",
        );
        certify(d, "tsa", "rsa", "tsa", Some("root"), early, late);
        openssl(
            d,
            &[
                "ca",
                "-batch",
                "-config",
                "ca.cnf",
                "-cert",
                "root.pem",
                "-keyfile",
                "root.key",
                "-revoke",
                "gone.pem",
                "-crl_reason",
                "keyCompromise",
            ],
        );
        openssl(
            d,
            &[
                "ca", "-batch", "-config", "ca.cnf", "-cert", "root.pem", "-keyfile", "root.key",
                "-gencrl", "-out", "root.crl",
            ],
        );
        let folder = |name: &str, files: &[&str]| {
            std::fs::create_dir(d.join(name)).unwrap();
            for file in files {
                std::fs::copy(d.join(file), d.join(name).join(file)).unwrap();
            }
        };
        folder("trust", &["root.pem", "sub.pem"]);
        folder("trust_crl", &["root.pem", "sub.pem", "root.crl"]);
        folder("trust_deep", &["root.pem", "sub.pem", "deep.pem"]);
        folder("trust_leaf", &["root.pem", "rsa.pem"]);
        Credentials { dir }
    })
}

pub fn pydicom_dir() -> PathBuf {
    let base = std::env::var("VERARAY_PYDICOM").unwrap_or_else(|_| {
        format!(
            "{}/.cache/veraray/venv",
            std::env::var("HOME").unwrap_or_default()
        )
    });
    let lib = PathBuf::from(base).join("lib");
    let python = std::fs::read_dir(&lib)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    python.join("site-packages/pydicom/data")
}

/// pydicom's files that start as PS3.10 wants.
pub fn dicom_files() -> Vec<PathBuf> {
    let mut out = Vec::new();
    let mut open = vec![pydicom_dir()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if std::fs::read(&path).is_ok_and(|b| b.get(128..132) == Some(b"DICM")) {
                out.push(path);
            }
        }
    }
    out.sort();
    out
}

pub fn sample(name: &str) -> PathBuf {
    let found = dicom_files()
        .into_iter()
        .find(|p| p.file_name().is_some_and(|n| n == name));
    found.unwrap_or_else(|| panic!("no {name}"))
}

/// dcmsign's exit code and messages.
pub fn dcmsign(args: &[&str]) -> (i32, String) {
    let out = run("dcmsign", args, Path::new("/tmp"));
    let text =
        String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    (out.status.code().unwrap_or(-1), text)
}
