//! The sentences that are told, where no step's test shows them.

use guardrail::availability::Availability;
use lambda::fakes::at;
use lambda::fakes::service::sandbox;

use super::*;

fn standing(workflow: Workflow) -> Standing {
    Standing {
        state: Availability::Closing,
        workflow,
        turn: 12,
        execution: "arn:x".to_owned(),
        asked_at: at(0),
        began_at: at(0),
        reason: None,
        requested_by: None,
        failure: None,
    }
}

fn resources(count: usize) -> Vec<Resource> {
    (0..count).map(|id| Resource { kind: "app".to_owned(), id: id.to_string() }).collect()
}

#[test]
fn a_hundred_resources_are_named_and_all_are_counted() {
    for (told, refused) in [(0, 0), (100, 100), (101, 150)] {
        let left = resources(refused).into_iter().map(|resource| (resource, "why".to_owned())).collect();
        let record = Record { told: resources(told), refused: left, ..Record::default() };
        let event = part(&sandbox(), &standing(Workflow::Stop), Part::Studio, &record, at(0));
        assert_eq!((event.resources.len(), event.refused.len()), (told.min(100), refused.min(100)));
        let message = match told {
            0 => "`studio` is closed: nothing was on".to_owned(),
            told => format!("`studio` is closed: {told} apps turned off; {refused} apps left as they are"),
        };
        assert_eq!(event.message, message);
    }
}

#[test]
fn what_a_workflow_tells_has_the_id_of_its_turn() {
    for (workflow, ids) in [
        (Workflow::Stop, ["closing/000012", "part_closed/000012/rds", "closed/000012", "failed/000012"]),
        (Workflow::Start, ["opening/000012", "part_opened/000012/rds", "opened/000012", "failed/000012"]),
    ] {
        let (sandbox, standing, now) = (sandbox(), standing(workflow), at(0));
        let told = [
            begins(&sandbox, &standing, now),
            part(&sandbox, &standing, Part::Rds, &Record::default(), now),
            ends(&sandbox, &standing, now),
            fails(&sandbox, &standing, "x", now),
        ];
        assert_eq!(told.map(|told| told.header.id), ids.map(|id| format!("availability/{id}")));
    }
}
