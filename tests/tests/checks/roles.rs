//! Roles: each function may do what its code declares, and nothing else; only our functions may put to the bus.

use guardrail::Service;
use guardrail::catalogue::SPEND_BUDGET;
use guardrail::config::{EXEMPTIONS, ROOT};
use serde_json::Value;

use crate::code::{Function, WAKES, functions};
use crate::template::{Template, arn, id_of_arn, list, reference};
use crate::{agree, differences};

/// What every function needs to write its log.
const LOGS: &[&str] = &["logs:CreateLogStream", "logs:PutLogEvents"];

/// What a role holds besides the actions of the code, and why.
const EXTRAS: &[(&str, &str, &str)] =
    &[("console-command", "sqs:SendMessage", FAILURES), ("console-feed", "sqs:SendMessage", FAILURES)];

const FAILURES: &str = "Lambda sends failed invocations to the failure destination with this role";

/// The actions that may be allowed on every resource, because their service knows no resource for them.
///
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html>
const ON_EVERYTHING: &[&str] = &[
    "athena:ListWorkGroups",
    "cloudtrail:LookupEvents",
    "elasticmapreduce:ListClusters",
    "glue:ListJobs",
    "glue:ListSessions",
    "iam:ListRoles",
    "sagemaker:ListApps",
    "sagemaker:ListAutoMLJobs",
    "sagemaker:ListDomains",
    "sagemaker:ListEndpoints",
    "sagemaker:ListHyperParameterTuningJobs",
    "sagemaker:ListModelPackages",
    "sagemaker:ListNotebookInstances",
    "sagemaker:ListPipelines",
    "sagemaker:ListProcessingJobs",
    "sagemaker:ListSpaces",
    "sagemaker:ListTrainingJobs",
    "sagemaker:ListTransformJobs",
];

/// What spend-meter calls that is no read by its name, and why it changes nothing: it asks Athena, whose answers lie in
/// a bucket of their own.
const ASKS_ATHENA: &[&str] = &["athena:StartQueryExecution", "athena:StopQueryExecution", "s3:PutObject"];

/// The services in which reconcile may do more than read: it records, tells, sets its own schedules and starts workflows.
const OF_RECONCILE: &[&str] = &["dynamodb", "events", "logs", "scheduler", "states"];

/// The words that the action of a call begins with when the call changes nothing.
const READS: &[&str] = &["Get", "List", "BatchGet", "Describe", "Query", "Lookup"];

/// The statements of a role's own policies.
fn statements(role: &Value) -> Vec<&Value> {
    let policies = list(&role["Policies"]).into_iter();
    policies.flat_map(|policy| list(&policy["PolicyDocument"]["Statement"])).collect()
}

fn of_parameter(action: &str) -> bool {
    action.starts_with("ssm:GetParameter")
}

/// Whether an action changes nothing.
fn reads(action: &str) -> bool {
    let call = action.split_once(':').map_or(action, |(_, call)| call);
    READS.iter().any(|verb| call.starts_with(verb))
}

fn actions(statement: &Value) -> impl Iterator<Item = &str> {
    list(&statement["Action"]).into_iter().filter_map(Value::as_str)
}

#[test]
fn every_function_may_do_what_its_code_declares_and_nothing_else() {
    let faults = functions().into_iter().flat_map(|function| {
        let id = function.logical_id();
        let (role, place) = (format!("{id}Role"), format!("`{id}Role` in {}", function.template.path()));
        let mut faults = Vec::new();
        let properties = function.template.at(&format!("/Resources/{id}/Properties"));
        if properties["Role"] != arn(&role) {
            faults.push(format!("`{id}` in {} does not run under `{role}`", function.template.path()));
        }
        if !properties["Policies"].is_null() {
            faults.push(format!(
                "`{id}` in {} has policies of its own; they belong to `{role}`",
                function.template.path()
            ));
        }
        let role = function.template.at(&format!("/Resources/{role}/Properties"));
        let names = list(&role["Policies"]).into_iter().filter_map(|policy| policy["PolicyName"].as_str());
        faults.extend(differences(
            (&format!("the policies of {place}"), names),
            ("the function's name", [function.name]),
        ));

        let allowed = statements(role).into_iter().filter(|statement| statement["Effect"] == "Allow").flat_map(actions);
        let extras = EXTRAS.iter().filter(|(of, ..)| *of == function.name).map(|(_, action, _)| *action);
        let declared = function.actions().chain(LOGS.iter().copied()).chain(extras);
        let what = format!("the `ACTIONS` of `{}` (and LOGS and EXTRAS in tests/tests/checks/roles.rs)", function.name);
        faults.extend(differences((&place, allowed), (&what, declared)));
        faults
    });
    agree(faults);
}

#[test]
fn no_role_holds_more_than_can_be_read_off_it() {
    let mut faults = Vec::new();
    for template in Template::all() {
        for kind in ["AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy"] {
            let strays = template.resources(kind);
            faults.extend(
                strays.map(|(id, _)| format!("`{id}` in {} belongs into its role's `Policies`", template.path())),
            );
        }
        for (id, role) in template.resources("AWS::IAM::Role") {
            let mut fault = |what: &str| faults.push(format!("`{id}` in {}: {what}", template.path()));
            if !role["ManagedPolicyArns"].is_null() {
                fault("managed policies change without us; write out what is needed");
            }
            if role["Path"] != "/sandbox-guardrails/" {
                fault("its path is not `/sandbox-guardrails/`, which the hub and the service control policies go by");
            }
            for statement in statements(role) {
                let effect = statement["Effect"].as_str().unwrap_or_default();
                if !["Allow", "Deny"].contains(&effect)
                    || !statement["NotAction"].is_null()
                    || !statement["NotResource"].is_null()
                {
                    fault("it has a statement that is not a plain `Allow` or `Deny` of actions on resources");
                }
                if actions(statement).next().is_none() {
                    fault("it has a statement without actions");
                }
                let everywhere = list(&statement["Resource"]).into_iter().any(|resource| resource == "*");
                for action in actions(statement) {
                    if action.contains(['*', '?']) {
                        fault(&format!("`{action}` is a wildcard; name the actions"));
                    }
                    if everywhere && !ON_EVERYTHING.contains(&action) {
                        fault(&format!(
                            "`{action}` is allowed on everything; name the resource, or add it to ON_EVERYTHING"
                        ));
                    }
                }
            }
        }
    }
    agree(faults);
}

#[test]
fn a_watch_changes_nothing_but_the_ledger_the_bus_and_its_log() {
    let is_watch =
        |function: &Function| function.name.ends_with("-watch") || function.name == hub_spend::meter::FUNCTION;
    let faults = functions().into_iter().filter(is_watch).flat_map(|function| {
        let id = format!("{}Role", function.logical_id());
        let log = format!("{}LogGroup", function.logical_id());
        let in_hub = function.template.path() == Template::hub().path();
        let written = if in_hub { ["SpendTable", "HubBus", &log] } else { ["Ledger", "GuardrailBus", &log] };
        let role = function.template.at(&format!("/Resources/{id}/Properties"));
        let mut faults = Vec::new();
        for statement in statements(role) {
            let ours = list(&statement["Resource"])
                .into_iter()
                .all(|resource| id_of_arn(resource).is_some_and(|resource| written.contains(&resource)));
            for action in actions(statement) {
                let asks = in_hub && ASKS_ATHENA.contains(&action);
                if !(reads(action) || ours || asks) {
                    let place = function.template.path();
                    faults.push(format!(
                        "`{id}` in {place} allows `{action}`, which is no read; stopping is for the enforce"
                    ));
                }
            }
        }
        faults
    });
    agree(faults);
}

#[test]
fn a_function_reads_the_parameters_of_its_own_service_and_the_exemptions() {
    let mut faults = Vec::new();
    for function in &functions() {
        let template = &function.template;
        let (id, own) = (function.logical_id(), format!("{ROOT}/{}", function.room()));
        // `GetParametersByPath` is authorised against the node itself, `GetParameterHistory` against what is under it.
        let paths = [own.clone(), format!("{own}/*"), EXEMPTIONS.to_owned(), format!("{EXEMPTIONS}/*")];
        let prefix = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter";
        let reads = function.actions().any(of_parameter);
        let expected = paths.map(|path| format!("{prefix}{path}")).into_iter().filter(|_| reads);

        let role = template.at(&format!("/Resources/{id}Role/Properties"));
        let of_parameters = |statement: &&Value| actions(statement).any(of_parameter);
        let statements = statements(role).into_iter().filter(of_parameters);
        let resources = statements.flat_map(|statement| list(&statement["Resource"]));
        let resources = resources.map(|resource| resource["Fn::Sub"].as_str().unwrap_or("something else"));
        let place = format!("the parameters that `{id}Role` in {} may read", template.path());
        faults.extend(differences((&place, resources), ("those of its service and the exemptions", expected)));
    }
    agree(faults);
}

#[test]
fn the_bus_of_a_sandbox_takes_events_from_each_of_its_functions_and_no_one_else() {
    let sandbox = Template::sandbox();
    let deny = sandbox.at("/Resources/GuardrailBusTakesNothingFromUsers/Properties/Statement");
    assert_eq!(
        (&deny["Effect"], &deny["Principal"], &deny["Action"]),
        (&"Deny".into(), &"*".into(), &"events:PutEvents".into())
    );
    let spared = list(&deny["Condition"]["ArnNotEquals"]["aws:PrincipalArn"]);
    let spared = spared.into_iter().map(|role| id_of_arn(role).unwrap_or("something without an ARN"));
    let roles: Vec<String> = sandbox.functions().map(|(id, _)| format!("{id}Role")).collect();
    agree(differences(
        ("`GuardrailBusTakesNothingFromUsers`", spared),
        ("the functions' roles in infra/sandbox.yaml", &roles),
    ));
}

#[test]
fn the_bus_of_the_hub_takes_events_from_no_one_else_of_its_account_than_who_meters_spend() {
    let hub = Template::hub();
    let deny = hub.at("/Resources/HubBusTakesNothingFromUsers/Properties/Statement");
    let of_deny = (&deny["Effect"], &deny["Principal"], &deny["Action"]);
    assert_eq!(of_deny, (&"Deny".into(), &"*".into(), &"events:PutEvents".into()));
    assert_eq!(deny["Condition"]["StringEquals"]["aws:PrincipalAccount"], reference("AWS::AccountId"));
    let spared = list(&deny["Condition"]["ArnNotEquals"]["aws:PrincipalArn"]);
    let spared = spared.into_iter().map(|role| id_of_arn(role).unwrap_or("something without an ARN"));
    let speak = functions().into_iter().filter(|function| function.room() == Service::Spend.as_str());
    let roles = speak.map(|function| format!("{}Role", function.logical_id()));
    agree(differences(
        ("`HubBusTakesNothingFromUsers`", spared),
        ("the roles in infra/hub.yaml of the functions that meter spend", roles),
    ));
}

#[test]
fn commands_set_budgets_and_no_other_parameter() {
    let hub = Template::hub();
    let role = hub.at("/Resources/ConsoleCommandRole/Properties");
    let sets = |statement: &&Value| actions(statement).any(|action| action.starts_with("ssm:"));
    let set = statements(role).into_iter().filter(sets).flat_map(|statement| list(&statement["Resource"]));
    let set = set.map(|resource| resource["Fn::Sub"].as_str().unwrap_or("something else"));
    let prefix = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter";
    let budgets = format!("{prefix}{}/*", SPEND_BUDGET.parameter_path());
    agree(differences(("what console-command may set", set), ("the parameters of budgets", [budgets])));
}

#[test]
fn reconcile_turns_nothing_off_or_on_itself() {
    let reconcile =
        functions().into_iter().find(|function| function.name == availability::reconcile::FUNCTION).unwrap();
    let ours = |action: &str| OF_RECONCILE.iter().any(|service| action.split(':').next() == Some(service));
    let changes = reconcile.actions().filter(|action| !reads(action) && !ours(action) && *action != "iam:PassRole");
    agree(changes.map(|action| format!("`{}` may call `{action}`; that is for a workflow", reconcile.name)));
}

#[test]
fn who_blocks_users_cannot_touch_the_guardrails_or_the_roles_of_services() {
    let sandbox = Template::sandbox();
    let mut faults = Vec::new();
    for (id, role) in sandbox.resources("AWS::IAM::Role") {
        let of_effect = |effect: &'static str| {
            let statements = statements(role).into_iter().filter(move |statement| statement["Effect"] == effect);
            statements.filter(|statement| actions(statement).any(|action| action.starts_with("iam:")))
        };
        let changes = of_effect("Allow").flat_map(actions).filter(|action| !reads(action) && *action != "iam:PassRole");
        let changes: Vec<&str> = changes.collect();
        if changes.is_empty() {
            continue;
        }
        let place = format!("`{id}` in {}", sandbox.path());
        let denied = of_effect("Deny").flat_map(actions);
        faults.extend(differences((&format!("what {place} may change in IAM"), &changes), ("what it denies", denied)));
        let spared = of_effect("Deny").flat_map(|statement| list(&statement["Resource"]));
        let spared = spared.map(|resource| resource["Fn::Sub"].as_str().unwrap_or("something else"));
        let never = ["/sandbox-guardrails/", "/aws-service-role/"];
        let never = never.map(|path| format!("arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role{path}*"));
        faults.extend(differences((&format!("the roles that {place} may never change"), spared), ("the rule", never)));
    }
    agree(faults);
}

#[test]
fn functions_set_the_schedules_that_the_code_names_and_no_sweep() {
    let faults = functions().into_iter().flat_map(|function| {
        let id = format!("{}Role", function.logical_id());
        let role = function.template.at(&format!("/Resources/{id}/Properties"));
        let of_schedules = |statement: &&Value| actions(statement).any(|action| action.starts_with("scheduler:"));
        let set = statements(role).into_iter().filter(of_schedules).flat_map(|statement| list(&statement["Resource"]));
        let set = set.map(|resource| resource["Fn::Sub"].as_str().unwrap_or("something else"));
        let declares = function.actions().any(|action| action.starts_with("scheduler:"));
        let prefix = "arn:${AWS::Partition}:scheduler:${AWS::Region}:${AWS::AccountId}:schedule/${ScheduleGroup}";
        let named = WAKES.into_iter().filter(|_| declares).map(|wake| format!("{prefix}/{}", wake.name()));
        let place = format!("the schedules that `{id}` may set");
        differences((&place, set), ("`Wake` in functions/availability/src/schedules.rs", named))
    });
    agree(faults);
}

#[test]
fn a_role_is_lent_to_what_it_is_for_alone() {
    // A service that assumes roles for whatever its users make would lend ours to them. Lambda's are given by who makes
    // a function, who needs leave to pass them.
    let mut faults = Vec::new();
    for template in Template::all() {
        for (id, role) in template.resources("AWS::IAM::Role") {
            for statement in list(&role["AssumeRolePolicyDocument"]["Statement"]) {
                let condition = &statement["Condition"];
                let lent = condition["StringEquals"]["aws:SourceAccount"] == reference("AWS::AccountId")
                    && !condition["ArnEquals"]["aws:SourceArn"].is_null();
                if statement["Principal"]["Service"] != "lambda.amazonaws.com" && !lent {
                    faults.push(format!(
                        "`{id}` in {} is lent to others: set `aws:SourceAccount` and `aws:SourceArn`",
                        template.path()
                    ));
                }
            }
        }
    }
    agree(faults);
}

#[test]
fn the_hub_lets_in_the_sources_that_its_feed_takes() {
    let hub = Template::hub();
    let taken = hub.at("/Resources/ConsoleFeed/Properties/Events/Report/Properties/Pattern/source");
    let faults = ["SandboxesOfOrganizationMayReport", "SandboxesByAccountMayReport"].into_iter().flat_map(|policy| {
        let condition = hub.at(&format!("/Resources/{policy}/Properties/Statement/Condition"));
        let let_in = list(&condition["ForAllValues:StringEquals"]["events:source"]);
        let (let_in, taken) =
            (let_in.into_iter().filter_map(Value::as_str), list(taken).into_iter().filter_map(Value::as_str));
        differences((&format!("`{policy}` in infra/hub.yaml"), let_in), ("the pattern of the feed's rule", taken))
    });
    agree(faults);
}
