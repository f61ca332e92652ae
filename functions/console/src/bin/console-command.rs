//! `console-command`: sends the hub's commands to the sandboxes, and sets budgets. See `console::command`.

use console::command::budget::BudgetParameters;
use console::command::deliveries::CommandTable;
use console::command::{CommandSettings, Sender};
use console::table::ConsoleTable;
use lambda::bus::EventBuses;
use lambda::settings::process_environment;
use lambda::{Aws, SystemClock, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::run::Error> {
    telemetry::start();
    let mut environment = process_environment();
    let settings = CommandSettings::read(&mut environment);
    let settings = environment.finish(settings)?;
    let aws = Aws::from_environment()?;
    lambda::run(Sender {
        signs: ConsoleTable::new(&aws, &settings.table),
        deliveries: CommandTable::new(&aws, &settings.table),
        buses: EventBuses::new(&aws),
        budgets: BudgetParameters::new(&aws),
        clock: SystemClock,
        settings,
    })
    .await
}
