//! `console-feed`: keeps the console's table up to date and measures the health of the sandboxes. See `console::feed`.

use console::feed::{Feed, FeedSettings};
use console::table::ConsoleTable;
use lambda::settings::process_environment;
use lambda::{Aws, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::run::Error> {
    telemetry::start();
    let mut environment = process_environment();
    let settings = FeedSettings::read(&mut environment);
    let FeedSettings { table, silence_after, hub } = environment.finish(settings)?;
    let aws = Aws::from_environment()?;
    lambda::run(Feed { table: ConsoleTable::new(&aws, table), metrics: std::io::stdout(), silence_after, hub }).await
}
