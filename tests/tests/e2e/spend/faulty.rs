//! A delivery that cannot be read changes nothing, and the hub says what is wrong with it and where.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use stage::exports::{BUCKET, Delivery, Line};
use stage::running::{REGION, wait_for};

use super::{AT_MOST, Metered, amount, bill, line, month};

/// Waits until the hub knows that spend-meter fails, for a reason with all of these words.
fn await_failure(bill: &Metered, words: &[&str]) {
    let key = format!("{}/{REGION}/spend-meter/failure", bill.hub.account.id);
    let said = || bill.row_at("health", &key).and_then(|row| row["message"].as_str().map(str::to_owned));
    let failed = wait_for(&format!("a failure with {words:?}"), AT_MOST, || {
        said().filter(|said| words.iter().all(|word| said.contains(word)))
    });
    failed.unwrap_or_else(|error| panic!("{error}; {:?}; {}", said(), bill.what_is("")));
}

/// A delivery's only file under its key, with its content changed.
fn changed(delivery: &Delivery, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> (String, Vec<u8>) {
    let (key, content) = delivery.files().unwrap().remove(0);
    (key, change(content))
}

fn in_text(content: &[u8], change: impl FnOnce(&str) -> String) -> Vec<u8> {
    let mut text = String::new();
    GzDecoder::new(content).read_to_string(&mut text).unwrap();
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(change(&text).as_bytes()).unwrap();
    packed.finish().unwrap()
}

#[test]
fn what_is_wrong_with_a_delivery_is_told_with_its_place_and_the_figures_stay() {
    let bill = bill();
    let payer = bill.payer(&[("limit", "1000 USD/month")]);
    // A month that no other test has, so that nobody else's delivery mends it.
    let month = month(2);
    let lines =
        || -> Vec<Line> { (1..=200).map(|cost| line(&payer, month, "AWSGlue", &format!("{cost}.5"))).collect() };
    bill.bills(&payer, month, lines(), "20200");
    let good = bill.spend(&payer, month).unwrap().export;
    let land = |delivery: &Delivery, key: &str, content: Vec<u8>| {
        bill.land(|hub| {
            hub.account.put_object(BUCKET, key, content).unwrap();
            hub.put_manifest(delivery).unwrap();
        });
    };

    let missing = Delivery::new(month, "missing", lines()).in_files(7);
    bill.land(|hub| hub.put_manifest(&missing).unwrap());
    await_failure(bill, &["sandboxes-Manifest.json", "sandboxes-00002.snappy.parquet", "which is not there"]);

    let truncated = Delivery::new(month, "truncated", lines());
    let (key, content) = changed(&truncated, |content| content[..content.len() / 2].to_vec());
    land(&truncated, &key, content);
    await_failure(bill, &["sandboxes-00001.snappy.parquet", "truncated or damaged"]);

    // The end of the file says where everything is, so only what is read there shows that it is not.
    let damaged = Delivery::new(month, "damaged", lines());
    let (key, content) = changed(&damaged, |mut content| {
        let end = content.len() - 8;
        let footer = u32::from_le_bytes(content[end..end + 4].try_into().unwrap());
        content[4..end - footer as usize].fill(0xff);
        content
    });
    land(&damaged, &key, content);
    await_failure(bill, &["sandboxes-00001.snappy.parquet", "column `", "row group 0", "truncated or damaged"]);

    let column = Delivery::new(month, "column", lines()).as_csv();
    let without = |text: &str| text.replace("line_item_unblended_cost", "line_item_blended_costs");
    let (key, content) = changed(&column, |content| in_text(&content, without));
    land(&column, &key, content);
    await_failure(bill, &["sandboxes-00001.csv.gz", "line_item_unblended_cost", "missing"]);

    let format = Delivery::new(month, "format", lines()).as_csv();
    let (key, content) = changed(&format, |content| in_text(&content, |_| "who,what\nann,12.5\n".to_owned()));
    land(&format, &key, content);
    await_failure(bill, &["sandboxes-00001.csv.gz", "no cost export that is known"]);

    let mut mixed = lines();
    mixed.push(line(&payer, month, "AWSGlue", "0.5").in_currency("EUR"));
    let mixed = Delivery::new(month, "mixed", mixed);
    bill.land(|hub| hub.deliver(&mixed).unwrap());
    await_failure(bill, &["sandboxes-00001.snappy.parquet", "line_item_currency_code", "EUR", "USD"]);

    let told = bill.spend(&payer, month).unwrap();
    assert_eq!((told.reported, told.export), (amount("20200"), good));
    // The next good one is read as if nothing had been.
    bill.bills(&payer, month, vec![line(&payer, month, "AWSGlue", "101")], "101");
    bill.sweep().unwrap();
}
