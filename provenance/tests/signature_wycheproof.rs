//! Project Wycheproof's vectors through our own verification entry point.
#![allow(missing_docs)]

use veraray_provenance::signature::{DigestAlgorithm, PublicKey};
use wycheproof::{TestResult, ecdsa, rsa_pkcs1_verify};

fn digest(name: &str) -> Option<DigestAlgorithm> {
    DigestAlgorithm::from_term(&name.replace('-', ""))
}

#[test]
fn rsa_pkcs1() {
    use rsa_pkcs1_verify::TestName as N;
    let sets = [
        N::Rsa2048Sha256,
        N::Rsa2048Sha384,
        N::Rsa2048Sha512,
        N::Rsa3072Sha256,
        N::Rsa3072Sha384,
        N::Rsa3072Sha512,
        N::Rsa4096Sha256,
        N::Rsa4096Sha384,
        N::Rsa4096Sha512,
        N::Rsa8192Sha256,
        N::Rsa8192Sha384,
        N::Rsa8192Sha512,
    ];
    let (mut total, mut wrong, mut lenient) = (0, Vec::new(), 0);
    for name in sets {
        let set = rsa_pkcs1_verify::TestSet::load(name).unwrap();
        for group in set.test_groups {
            let digest = digest(
                &format!("{:?}", group.hash)
                    .to_uppercase()
                    .replace("SHA2_", "SHA"),
            )
            .unwrap();
            let key = PublicKey::from_spki_der(&group.der).unwrap();
            for test in group.tests {
                total += 1;
                let holds = key.verify_message(digest, &test.msg, &test.sig);
                match (test.result, holds) {
                    (TestResult::Valid, true) | (TestResult::Invalid, false) => {}
                    (TestResult::Acceptable, _) => lenient += 1,
                    _ => wrong.push(format!(
                        "{name:?} {}: {} {:?}",
                        test.tc_id, test.comment, test.result
                    )),
                }
            }
        }
    }
    eprintln!(
        "rsa: {total} vectors, {} wrong, {lenient} acceptable either way",
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn ecdsa_der() {
    use ecdsa::TestName as N;
    let sets = [
        N::EcdsaSecp256r1Sha256,
        N::EcdsaSecp256r1Sha512,
        N::EcdsaSecp384r1Sha256,
        N::EcdsaSecp384r1Sha384,
        N::EcdsaSecp384r1Sha512,
        N::EcdsaSecp521r1Sha512,
    ];
    let (mut total, mut wrong) = (0, Vec::new());
    for name in sets {
        let set = ecdsa::TestSet::load(name).unwrap();
        for group in set.test_groups {
            let digest = digest(
                &format!("{:?}", group.hash)
                    .to_uppercase()
                    .replace("SHA2_", "SHA"),
            )
            .unwrap();
            let key = PublicKey::from_spki_der(&group.der).unwrap();
            for test in group.tests {
                total += 1;
                let holds = key.verify_message(digest, &test.msg, &test.sig);
                let right = match test.result {
                    TestResult::Valid => holds,
                    TestResult::Invalid => !holds,
                    TestResult::Acceptable => true,
                };
                if !right {
                    wrong.push(format!(
                        "{name:?} {}: {} {:?}",
                        test.tc_id, test.comment, test.result
                    ));
                }
            }
        }
    }
    eprintln!("ecdsa: {total} vectors, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
