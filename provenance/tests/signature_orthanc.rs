//! A signed image through an archive: C-STORE in, WADO-RS and plain HTTP out, still valid.
#![allow(missing_docs)]

mod support;

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use support::{credentials, run, sample};
use veraray_provenance::signature::*;

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn get(url: &str, headers: &[&str]) -> Vec<u8> {
    let mut args = vec!["-s", "-f"];
    for header in headers {
        args.extend(["-H", header]);
    }
    args.push(url);
    run("curl", &args, Path::new("/tmp")).stdout
}

#[test]
fn signatures_survive_an_archive() {
    let dir = tempfile::tempdir().unwrap();
    let (http, dicom) = (free_port(), free_port());
    let store = dir.path().join("db");
    let config = format!(
        r#"{{"Name":"T","StorageDirectory":"{0}","IndexDirectory":"{0}","HttpPort":{http},"DicomPort":{dicom},
        "RemoteAccessAllowed":false,"AuthenticationEnabled":false,"DicomAet":"T","DicomCheckCalledAet":false,
        "Plugins":["/usr/share/orthanc/plugins/libOrthancDicomWeb.so"],"DicomWeb":{{"Enable":true}}}}"#,
        store.display()
    );
    let file = dir.path().join("orthanc.json");
    std::fs::write(&file, config).unwrap();
    let child = Command::new("/usr/sbin/Orthanc")
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _server = Server(child);
    let base = format!("http://127.0.0.1:{http}");
    let up = (0..150).any(|_| {
        std::thread::sleep(Duration::from_millis(200));
        !get(&format!("{base}/system"), &[]).is_empty()
    });
    assert!(up, "Orthanc did not start");

    let c = credentials();
    let trust = || TrustStore::from_path(&c.path("trust")).unwrap();
    let options = VerifyOptions {
        trust: trust(),
        ..VerifyOptions::default()
    };
    let mut sign = SignOptions::from_files(&c.path("rsa.key"), &c.path("rsa.pem")).unwrap();
    let mut seen = 0;
    for (profile, source) in [
        (Profile::None, "MR_small.dcm"),
        (Profile::Creator, "CT_small.dcm"),
        (Profile::None, "rtdose_1frame.dcm"),
    ] {
        sign.profile = profile;
        let signed = dir.path().join(source);
        sign_file(&sample(source), &sign, &signed).unwrap();
        let sent = run(
            "storescu",
            &["127.0.0.1", &dicom.to_string(), signed.to_str().unwrap()],
            dir.path(),
        );
        assert!(
            sent.status.success(),
            "{}",
            String::from_utf8_lossy(&sent.stderr)
        );
        let bytes = std::fs::read(&signed).unwrap();
        let (syntax, at) = split(&bytes).unwrap();
        let data = parse(&syntax, &bytes[at..], VrChoice::default(), 100_000)
            .unwrap()
            .dataset;
        let uid = |g, e| data.text(dicom_core::Tag(g, e)).unwrap();
        let url = format!(
            "{base}/dicom-web/studies/{}/series/{}/instances/{}",
            uid(0x20, 0xD),
            uid(0x20, 0xE),
            uid(0x8, 0x18)
        );
        let body = get(
            &url,
            &["Accept: multipart/related; type=\"application/dicom\"; transfer-syntax=*"],
        );
        let start = body
            .windows(4)
            .position(|w| w == b"DICM")
            .expect("a DICOM part")
            - 128;
        let end = body.windows(4).rposition(|w| w == b"\r\n--").unwrap();
        let report = verify_bytes(Path::new("wado"), &body[start..end], &options).unwrap();
        assert_eq!(report.overall, Overall::Valid, "{source}: {report:#?}");
        seen += 1;
    }
    let list = String::from_utf8(get(&format!("{base}/instances"), &[])).unwrap();
    let ids: Vec<&str> = list.split('"').filter(|s| s.len() == 44).collect();
    assert_eq!(ids.len(), seen);
    for id in ids {
        let bytes = get(&format!("{base}/instances/{id}/file"), &[]);
        assert_eq!(
            verify_bytes(Path::new("http"), &bytes, &options)
                .unwrap()
                .overall,
            Overall::Valid
        );
        // The archive's anonymiser takes the signatures away: absent, not broken.
        let out = run(
            "curl",
            &[
                "-s",
                "-f",
                "-X",
                "POST",
                "-d",
                "{}",
                &format!("{base}/instances/{id}/anonymize"),
            ],
            dir.path(),
        );
        assert_eq!(
            verify_bytes(Path::new("anon"), &out.stdout, &options)
                .unwrap()
                .overall,
            Overall::None
        );
    }
}
