//! CloudTrail's log files: those of a real account where there are some, and a few of our own
//! making with everything in them that the format's documentation allows.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

/// The folder that the environment names, or that lies beside the checkout.
pub(crate) fn given() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("AUDITLAKE_CLOUDTRAIL") {
        return Some(PathBuf::from(folder));
    }
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/cloudtrail");
    beside.canonicalize().ok()
}

/// Every record of a folder's files, read without any of the code under test.
pub(crate) fn read(folder: &Path) -> Vec<Value> {
    let entries = std::fs::read_dir(folder).expect("the folder of the log files");
    let files = entries.map(|entry| entry.expect("an entry of a folder").path());
    let mut files: Vec<PathBuf> = files
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.contains(".json")
        })
        .collect();
    files.sort();
    let mut records = Vec::new();
    for file in files {
        let mut document: Value = serde_json::from_slice(&plain(&file)).expect("a log file");
        match document["Records"].take() {
            Value::Array(list) => records.extend(list),
            other => panic!("{} has no records but {other}", file.display()),
        }
    }
    assert!(!records.is_empty(), "{} holds no records", folder.display());
    records
}

fn plain(file: &Path) -> Vec<u8> {
    let bytes = std::fs::read(file).expect("a log file");
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return bytes;
    }
    let mut plain = Vec::new();
    MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut plain).expect("a gzip file");
    plain
}

/// Writes the records of our own making: one file as it is, one gzipped, as a bucket has them.
pub(crate) fn write_own(folder: &Path) {
    std::fs::create_dir(folder).expect("a folder for records");
    let (people, machines) = (document(people()), document(machines()));
    std::fs::write(folder.join("people.json"), people).expect("a log file");
    let file = std::fs::File::create(folder.join("machines.json.gz")).expect("a log file");
    let mut gzip = GzEncoder::new(file, Compression::default());
    gzip.write_all(&machines).and_then(|()| gzip.finish()).expect("a gzip file");
}

fn document(records: Vec<Value>) -> Vec<u8> {
    json!({"Records": records}).to_string().into_bytes()
}

/// A record with what all records have; `more` adds to it, replaces, and takes out by null.
fn record(number: u32, source: &str, name: &str, time: &str, more: Value) -> Value {
    let mut record = json!({
        "eventVersion": "1.08",
        "eventID": format!("0b6c4f1e-91a5-4c0b-8a4e-{number:012}"),
        "eventTime": time,
        "eventSource": format!("{source}.amazonaws.com"),
        "eventName": name,
        "awsRegion": "eu-central-1",
        "sourceIPAddress": "203.0.113.7",
        "userAgent": "aws-cli/2.15.0 Python/3.11.6",
        "requestID": format!("7f2d{number:04}-55aa-4e3b-9c1d-2f6b8e0a1c3d"),
        "requestParameters": null,
        "responseElements": null,
        "readOnly": true,
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": "123456789012",
        "eventCategory": "Management",
    });
    let (Value::Object(members), Value::Object(more)) = (&mut record, more) else {
        panic!("records are objects");
    };
    for (key, value) in more {
        if value == "absent" {
            members.remove(&key);
        } else {
            members.insert(key, value);
        }
    }
    record
}

fn people() -> Vec<Value> {
    let ann = json!({
        "type": "IAMUser", "principalId": "AIDAEXAMPLE1", "accountId": "123456789012",
        "arn": "arn:aws:iam::123456789012:user/ann", "accessKeyId": "AKIAEXAMPLE1",
        "userName": "ann",
    });
    vec![
        record(1, "iam", "CreateUser", "2026-03-01T09:30:00Z", json!({
            "userIdentity": ann.clone(), "readOnly": false,
            "requestParameters": {"userName": "bo", "tags": [{"key": "team", "value": "Ä & \"ö\""}]},
            "responseElements": {"user": {"userName": "bo", "path": "/", "createDate": 1.5}},
        })),
        record(2, "signin", "ConsoleLogin", "2026-03-01T09:31:05Z", json!({
            "userIdentity": {"type": "Root", "principalId": "123456789012",
                "arn": "arn:aws:iam::123456789012:root", "accountId": "123456789012"},
            "sourceIPAddress": "2001:db8::17", "eventType": "AwsConsoleSignIn",
            "responseElements": {"ConsoleLogin": "Success"}, "requestID": "absent",
            "additionalEventData": {"MFAUsed": "Yes", "MobileVersion": "No"},
        })),
        record(3, "iam", "DeleteUser", "2026-03-01T23:59:59Z", json!({
            "userIdentity": ann.clone(), "errorCode": "AccessDenied",
            "errorMessage": "-User: ann is not authorized,\nto perform: \"iam:DeleteUser\"",
            "requestParameters": {"userName": "bo"},
        })),
        record(4, "s3", "GetObject", "2026-03-02T00:00:00Z", json!({
            "userIdentity": {"type": "AssumedRole", "principalId": "AROAEXAMPLE:bo",
                "arn": "arn:aws:sts::123456789012:assumed-role/reader/bo",
                "sessionContext": {"sessionIssuer": {"type": "Role", "userName": "reader"},
                    "attributes": {"mfaAuthenticated": "false"}}},
            "errorCode": "NoSuchKey", "errorMessage": "The specified key does not exist.",
            "resources": [
                {"type": "AWS::S3::Object", "ARN": "arn:aws:s3:::logs/a,b"},
                {"type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::logs", "accountId": "123456789012"},
            ],
        })),
        record(5, "ec2", "RunInstances", "2026-03-02T08:00:01Z", json!({
            "userIdentity": {"type": "FederatedUser", "principalId": "123456789012:cleo",
                "arn": "arn:aws:sts::123456789012:federated-user/cleo"},
            "errorCode": "Client.UnauthorizedOperation", "userAgent": "=HYPERLINK(\"x\")",
            "requestParameters": {"instancesSet": {"items": [{"minCount": 1, "maxCount": 3}]}},
        })),
        record(6, "sts", "AssumeRoleWithSAML", "2026-03-02T08:00:02Z", json!({
            "userIdentity": {"type": "SAMLUser", "principalId": "SAMLIDP:dora",
                "userName": "dora@example.com", "identityProvider": "SAMLIDP"},
            "tlsDetails": {"tlsVersion": "TLSv1.3", "clientProvidedHostHeader": "sts.example"},
        })),
    ]
}

fn machines() -> Vec<Value> {
    vec![
        record(7, "kms", "Decrypt", "2026-03-02T10:00:00Z", json!({
            "userIdentity": {"type": "AWSService", "invokedBy": "cloudtrail.amazonaws.com"},
            "sourceIPAddress": "cloudtrail.amazonaws.com", "userAgent": "cloudtrail.amazonaws.com",
            "resources": [{"accountId": "123456789012", "type": "AWS::KMS::Key",
                "ARN": "arn:aws:kms:eu-central-1:123456789012:key/1"}],
            "sharedEventID": "ea0ed8f9-0000-4000-8000-000000000001",
        })),
        record(8, "s3", "PutObject", "2026-03-02T10:00:00Z", json!({
            "userIdentity": {"type": "AWSAccount", "principalId": "AIDAOTHER", "accountId": "210"},
            "recipientAccountId": "210987654321", "resources": [{"type": "AWS::S3::Bucket"}],
            "vpcEndpointId": "vpce-1", "awsRegion": "us-east-1",
        })),
        record(9, "sts", "AssumeRoleWithWebIdentity", "2026-03-02T10:00:00Z", json!({
            "userIdentity": {"type": "WebIdentityUser", "principalId": "idp:app:7",
                "userName": "7", "identityProvider": "idp.example"},
            "recipientAccountId": "210987654321", "resources": [], "apiVersion": null,
        })),
        record(10, "health", "DescribeEvents", "2026-03-03T00:00:00Z", json!({
            "userIdentity": {"type": "IdentityCenterUser", "accountId": "123456789012",
                "onBehalfOf": {"userId": "u", "identityStoreArn": "arn:aws:identitystore:::d-1"}},
            "userAgent": "absent", "errorCode": "ThrottlingException",
            "errorMessage": "@Rate\texceeded",
        })),
        record(11, "lambda", "Invoke", "2026-03-03T00:00:01Z", json!({
            "userIdentity": {"type": "Unknown"}, "eventCategory": "Data",
            "requestParameters": {"deep": {"er": [[1, 2.50, -3e2], {"null": null, "": ""}]}},
            "additionalEventData": {"text": "tab\there, slash \\ and \u{1F512}"},
        })),
        record(12, "autoscaling", "TerminateInstances", "2026-03-03T00:00:01Z", json!({
            "userIdentity": "absent", "sourceIPAddress": "AWS Internal",
            "eventType": "AwsServiceEvent", "requestID": "absent", "userAgent": "absent",
            "serviceEventDetails": {"reason": "'=quoted"},
        })),
        record(13, "cloudtrail", "LookupEvents", "2026-03-03T12:00:00Z", json!({
            "userIdentity": {"type": "AssumedRole", "principalId": "AROAEXAMPLE:ci"},
            "sourceIPAddress": "::ffff:198.51.100.4", "userAgent": "+ci/1 (a, \"b\")",
            "resources": [{"ARN": "arn:aws:cloudtrail:eu-central-1:123456789012:trail/t"}],
        })),
    ]
}
