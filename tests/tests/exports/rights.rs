//! A role reads the export, and asks Athena about it, with exactly the rights that AWS demands.

use jiff::civil::date;
use serde_json::{Value, json};
use stage::exports::{BUCKET, DATABASE, Delivery, PREFIX, RESULTS, TABLE, WORKGROUP};
use stage::{Account, allowed};

use crate::{HUB, hub, lines, query};

/// A session of a new role that has these rights and no others.
fn session(name: &str, statements: &[Value]) -> Account {
    let account = &hub().account;
    let role = account.user_role(name, "/", &[]).unwrap();
    account.put_policy(name, "all", &json!({"Version": "2012-10-17", "Statement": statements})).unwrap();
    account.assume(&role).unwrap()
}

fn allow(actions: &[&str], resources: &[&str]) -> Value {
    json!({"Effect": "Allow", "Action": actions, "Resource": resources})
}

#[test]
fn a_query_needs_the_rights_of_whoever_asks_to_everything_it_touches() {
    let month = date(2026, 6, 1);
    hub().deliver(&Delivery::new(month, "first", lines(month))).unwrap();
    let of = |service: &str, rest: &str| format!("arn:aws:{service}:{}:{HUB}:{rest}", hub().account.region);
    let workgroup = of("athena", &format!("workgroup/{WORKGROUP}"));
    let catalogue = [
        of("glue", "catalog"),
        of("glue", &format!("database/{DATABASE}")),
        of("glue", &format!("table/{DATABASE}/{TABLE}")),
    ];
    let [catalog, database, table] = [&catalogue[0], &catalogue[1], &catalogue[2]].map(String::as_str);
    let (exports, results) = (format!("arn:aws:s3:::{BUCKET}"), format!("arn:aws:s3:::{RESULTS}"));
    let (export, result) = (format!("{exports}/{PREFIX}data/*"), format!("{results}/*"));
    let via = json!({"ForAnyValue:StringEquals": {"aws:CalledVia": ["athena.amazonaws.com"]}});
    let mut of_catalogue = allow(&["glue:GetDatabase", "glue:GetTable"], &[catalog, database, table]);
    of_catalogue["Condition"] = via;
    let needed = [
        (allow(&["athena:StartQueryExecution"], &[&workgroup]), "athena:StartQueryExecution"),
        (allow(&["athena:GetQueryExecution"], &[&workgroup]), "athena:GetQueryExecution"),
        (of_catalogue, "glue:GetDatabase"),
        (allow(&["s3:ListBucket"], &[&exports]), "s3:ListBucket"),
        (allow(&["s3:GetObject"], &[&export]), "s3:GetObject"),
        (allow(&["s3:GetBucketLocation"], &[&results]), "Unable to verify/create output bucket"),
        (allow(&["s3:PutObject"], &[&result]), "Access denied when writing output"),
        (allow(&["s3:GetObject"], &[&result]), "s3:GetObject"),
    ];
    let sql = "SELECT count(*) AS lines FROM cost_exports.sandboxes WHERE billing_period = '2026-06'";
    let all: Vec<Value> = needed.iter().map(|(statement, _)| statement.clone()).collect();
    assert_eq!(query(&session("asks", &all), sql).as_deref(), Ok("\"lines\"\n\"5\"\n"));
    for (number, (_, reason)) in needed.iter().enumerate() {
        let mut without = all.clone();
        without.remove(number);
        let refused = query(&session(&format!("asks-{number}"), &without), sql).unwrap_err();
        assert!(refused.contains(reason), "without {}: {refused}", needed[number].0);
    }
}

#[test]
fn a_table_is_described_to_whoever_may_look_it_up() {
    let place = |service: &str, rest: &str| format!("arn:aws:{service}:{}:{HUB}:{rest}", hub().account.region);
    let catalogue = allow(&["athena:GetTableMetadata"], &[&place("athena", "datacatalog/AwsDataCatalog")]);
    let tables = allow(&["glue:GetDatabase", "glue:GetTable"], &[&place("glue", "*")]);
    let describe = |caller: &Account, table: &str| {
        let asked = json!({"CatalogName": "AwsDataCatalog", "DatabaseName": DATABASE, "TableName": table});
        caller.json("athena", "AmazonAthena.GetTableMetadata", &asked)
    };
    let may = session("describes", &[catalogue.clone(), tables.clone()]);
    let described = describe(&may, TABLE).unwrap();
    let tags = json!({"Name": "resource_tags", "Type": "map<string,string>"});
    assert!(described["TableMetadata"]["Columns"].as_array().unwrap().contains(&tags), "{described}");
    assert_eq!(described["TableMetadata"]["PartitionKeys"], json!([{"Name": "billing_period", "Type": "string"}]));
    let missing = describe(&may, "missing").unwrap_err().to_string();
    assert!(missing.contains("MetadataException"), "{missing}");
    assert!(!allowed(describe(&session("looks-up", &[tables]), TABLE)).unwrap());
    let blind = describe(&session("describes-only", &[catalogue]), TABLE).unwrap_err().to_string();
    assert!(blind.contains("glue:GetDatabase"), "{blind}");
}

#[test]
fn what_is_missing_is_told_to_those_who_may_list() {
    let (bucket, export) = (format!("arn:aws:s3:::{BUCKET}"), format!("arn:aws:s3:::{BUCKET}/{PREFIX}*"));
    let reads = allow(&["s3:GetObject"], &[&export]);
    let missing = format!("{PREFIX}data/missing.parquet");
    let blind = session("reads", std::slice::from_ref(&reads));
    assert!(!allowed(blind.object(BUCKET, &missing)).unwrap());
    let lists = session("reads-and-lists", &[reads, allow(&["s3:ListBucket"], &[&bucket])]);
    let told = lists.object(BUCKET, &missing).unwrap_err().to_string();
    assert!(told.contains("NoSuchKey"), "{told}");
    assert!(!allowed(lists.object(BUCKET, "elsewhere")).unwrap(), "a key of no export");
}
