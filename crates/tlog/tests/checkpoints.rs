//! Checkpoints: the examples of C2SP tlog-checkpoint, and what is not one.

#![allow(clippy::unwrap_used)] // A test that meets the unexpected is to fail.

use auditlake_tlog::{Checkpoint, Note, SigningKey, empty_root, origin_of};
use proptest::prelude::*;

/// The example of the specification, with the cosignature of C2SP tlog-cosignature.
const EXAMPLE: &str = "\
example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
";

const ROOT: &str = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";

#[test]
fn the_example_is_read() {
    let note = Note::parse(EXAMPLE).unwrap();
    let checkpoint = Checkpoint::parse(&note.text).unwrap();
    assert_eq!(checkpoint.origin, "example.com/behind-the-sofa");
    assert_eq!(checkpoint.size, 20_852_163);
    assert_eq!(checkpoint.root[..3], [0x0a, 0xc5, 0x18]);
    assert!(checkpoint.extensions.is_empty());
    assert_eq!(checkpoint.to_string(), note.text);
    assert_eq!(note.to_string(), EXAMPLE);
    // The time of the cosignature in the example is behind the key id.
    assert_eq!(note.signatures[1].bytes[..8], 1_679_315_147_u64.to_be_bytes());
}

#[test]
fn an_empty_log_has_a_checkpoint_that_can_be_signed() {
    let origin = origin_of("auditlake/01JQ", "acme");
    let checkpoint =
        Checkpoint { origin: origin.clone(), size: 0, root: empty_root(), extensions: vec![] };
    let text = checkpoint.to_string();
    assert_eq!(text, "auditlake/01JQ/acme\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n");
    let key = SigningKey::from_seed([3; 32]);
    let note = Note { signatures: vec![key.sign(&origin, &text).unwrap()], text };
    let read = Note::parse(&note.to_string()).unwrap();
    assert!(key.verifier(&origin).unwrap().verify(&read).is_ok());
    assert_eq!(Checkpoint::parse(&read.text), Ok(checkpoint));
}

#[test]
fn extensions_are_kept() {
    let text = format!("log\n{}\n{ROOT}\none\ntwo words\n", u64::MAX);
    let checkpoint = Checkpoint::parse(&text).unwrap();
    assert_eq!(checkpoint.size, u64::MAX);
    assert_eq!(checkpoint.extensions, ["one", "two words"]);
    assert_eq!(checkpoint.to_string(), text);
}

#[test]
fn what_is_not_a_checkpoint_is_refused() {
    let (size, root) = ("its second line is not the size", "its third line is not base64");
    let cases = [
        (String::new(), "does not end with a line end"),
        ("log\n1\n".into(), "it has less than three lines"),
        (format!("log\n1\n{ROOT}"), "does not end with a line end"),
        (format!("log\r\n1\r\n{ROOT}\r\n"), "control character '\\r'"),
        (format!("\n1\n{ROOT}\n"), "it holds an empty line"),
        (format!("log\n1\n{ROOT}\n\n"), "it holds an empty line"),
        (format!("log\n1\n{ROOT}\none\n\ntwo\n"), "it holds an empty line"),
        (format!("log\n\n{ROOT}\n"), size),
        (format!("log\n01\n{ROOT}\n"), size),
        (format!("log\n+1\n{ROOT}\n"), size),
        (format!("log\n-1\n{ROOT}\n"), size),
        (format!("log\n 1\n{ROOT}\n"), size),
        (format!("log\n1.0\n{ROOT}\n"), size),
        (format!("log\n18446744073709551616\n{ROOT}\n"), size),
        ("log\n1\n\n".into(), root),
        (format!("log\n1\n{}\n", &ROOT[..43]), root),
        (format!("log\n1\nAAAA{ROOT}\n"), root),
        (format!("log\n1\n{}\n", ROOT.replace("2I=", "2J=")), root),
        (format!("log\n1\n {ROOT}\n"), root),
    ];
    for (text, message) in cases {
        let error = Checkpoint::parse(&text).unwrap_err().to_string();
        assert!(error.contains(message), "{text:?}: {error}");
    }
}

#[test]
fn the_origin_of_any_tenant_names_a_key() {
    let origin = |tenant| origin_of("lake.example", tenant);
    assert_eq!(origin("Acme-1.b_c~d"), "lake.example/Acme-1.b_c~d");
    assert_eq!(origin("a b+c/d%"), "lake.example/a%20b%2Bc%2Fd%25");
    assert_eq!(origin("né"), "lake.example/n%C3%A9");
    assert_eq!(origin(""), "lake.example/");
    let key = SigningKey::from_seed([3; 32]);
    for tenant in ["a b", "a+b", "a\nb", "\u{2003}", "é"] {
        assert!(key.verifier(&origin(tenant)).is_ok(), "{tenant:?}");
    }
}

proptest! {
    #[test]
    fn checkpoints_print_as_they_were_made(
        origin in "[ -~ä]{1,20}",
        size in any::<u64>(),
        root in any::<[u8; 32]>(),
        extensions in prop::collection::vec("[ -~ä]{1,20}", 0..3),
    ) {
        let made = Checkpoint { origin, size, root, extensions };
        prop_assert_eq!(Checkpoint::parse(&made.to_string()), Ok(made));
    }

    #[test]
    fn different_tenants_have_different_origins(
        one in "[a-c%/2+ é]{0,4}",
        other in "[a-c%/2+ é]{0,4}",
    ) {
        prop_assert_eq!(origin_of("o", &one) == origin_of("o", &other), one == other);
    }
}
