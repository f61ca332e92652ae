//! Everything that exists in the simulated accounts, and the handle by which tests arrange and watch it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::sync::Notify;

use crate::accounts::Place;
use crate::athena::{Athena, AthenaHandle};
use crate::calls::Calls;
use crate::clock;
use crate::cloudtrail::{CloudTrail, CloudTrailHandle, Creation};
use crate::emr::{Emr, EmrHandle};
use crate::events::{EventFaults, Events, ServiceEvent};
use crate::faults::Faults;
use crate::glue::{Glue, GlueHandle};
use crate::protocol::{AwsError, ServiceName};
use crate::quotas::{Quota, Quotas};
use crate::sagemaker::{SageMaker, SageMakerHandle};
use crate::ssm::{Ssm, SsmHandle};

/// An operation that changes something, and the input members whose texts together say what.
pub(crate) type Change = (&'static str, &'static [&'static str]);

/// What a service module brings: its operations, and the state changes that come by themselves.
pub(crate) trait Service {
    /// AWS's documented default request rates.
    const QUOTAS: &'static [Quota];
    /// The operations that stop or delete something.
    const STOPS: &'static [Change];
    /// The other operations that change something.
    const CHANGES: &'static [Change];

    /// Carries out one operation.
    fn call(&mut self, operation: &str, input: &Map<String, Value>, now: Timestamp) -> Result<Value, AwsError>;

    /// The events of all state changes up to `now` that have not been announced, oldest first.
    fn announce(&mut self, now: Timestamp) -> Vec<ServiceEvent>;

    /// When the next state change comes if nobody interferes.
    fn next_change(&self) -> Option<Timestamp>;

    /// How many workloads are queued or running.
    fn active(&self, now: Timestamp) -> usize;

    /// What was created since this was last asked, and by whom, for CloudTrail.
    fn take_created(&mut self) -> Vec<Creation>;
}

/// All services of one account in one Region. What a further service has to be added to is in this block.
#[derive(Debug)]
pub(crate) struct Sandbox {
    pub(crate) athena: Athena,
    pub(crate) cloudtrail: CloudTrail,
    pub(crate) emr: Emr,
    pub(crate) glue: Glue,
    pub(crate) sagemaker: SageMaker,
    pub(crate) ssm: Ssm,
}

impl Sandbox {
    fn new(place: &Place, now: Timestamp) -> Sandbox {
        Sandbox {
            athena: Athena::new(place, now),
            cloudtrail: CloudTrail::new(place),
            emr: Emr::new(place),
            glue: Glue::new(place),
            sagemaker: SageMaker::new(place),
            ssm: Ssm::new(place),
        }
    }

    fn call(
        &mut self,
        service: ServiceName,
        operation: &str,
        input: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<Value, AwsError> {
        match service {
            ServiceName::Athena => self.athena.call(operation, input, now),
            ServiceName::CloudTrail => self.cloudtrail.call(operation, input, now),
            ServiceName::Emr => self.emr.call(operation, input, now),
            ServiceName::Glue => self.glue.call(operation, input, now),
            ServiceName::SageMaker => self.sagemaker.call(operation, input, now),
            ServiceName::Ssm => self.ssm.call(operation, input, now),
        }
    }

    fn announce(&mut self, now: Timestamp) -> Vec<ServiceEvent> {
        let mut events = self.athena.announce(now);
        events.extend(self.emr.announce(now));
        events.extend(self.glue.announce(now));
        events.extend(self.sagemaker.announce(now));
        events.extend(self.ssm.announce(now));
        events
    }

    fn next_change(&self) -> Option<Timestamp> {
        let changes = [
            self.athena.next_change(),
            self.emr.next_change(),
            self.glue.next_change(),
            self.sagemaker.next_change(),
            self.ssm.next_change(),
        ];
        changes.into_iter().flatten().min()
    }

    fn active(&self, now: Timestamp) -> usize {
        self.athena.active(now) + self.emr.active(now) + self.glue.active(now) + self.sagemaker.active(now)
    }

    /// Lets CloudTrail know of what was created.
    fn note_created(&mut self) {
        let created = self.athena.take_created().into_iter();
        let created = created.chain(self.emr.take_created()).chain(self.glue.take_created());
        let created = created.chain(self.sagemaker.take_created());
        created.for_each(|creation| self.cloudtrail.record(creation));
    }
}

impl ServiceName {
    fn quotas(self) -> &'static [Quota] {
        match self {
            ServiceName::Athena => Athena::QUOTAS,
            ServiceName::CloudTrail => CloudTrail::QUOTAS,
            ServiceName::Emr => Emr::QUOTAS,
            ServiceName::Glue => Glue::QUOTAS,
            ServiceName::SageMaker => SageMaker::QUOTAS,
            ServiceName::Ssm => Ssm::QUOTAS,
        }
    }

    /// What an operation changes: the input members that name it, and whether it stops. Nothing for one that reads.
    pub(crate) fn change(self, operation: &str) -> Option<(&'static [&'static str], bool)> {
        let (stops, changes) = match self {
            ServiceName::Athena => (Athena::STOPS, Athena::CHANGES),
            ServiceName::Emr => (Emr::STOPS, Emr::CHANGES),
            ServiceName::Glue => (Glue::STOPS, Glue::CHANGES),
            ServiceName::SageMaker => (SageMaker::STOPS, SageMaker::CHANGES),
            ServiceName::Ssm => (Ssm::STOPS, Ssm::CHANGES),
            ServiceName::CloudTrail => return None,
        };
        let find = |changes: &'static [Change]| changes.iter().find(|(name, _)| *name == operation);
        let stop = find(stops).map(|(_, members)| (*members, true));
        stop.or_else(|| find(changes).map(|(_, members)| (*members, false)))
    }
}

/// All accounts, their faults, their calls and their events. Clones are handles to the same world.
#[derive(Debug, Clone)]
pub struct World(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    sandboxes: Mutex<HashMap<Place, Sandbox>>,
    faults: Faults,
    calls: Calls,
    events: Events,
    quotas: Quotas,
    changed: Notify,
}

impl World {
    pub(crate) fn new(event_faults: EventFaults, events_to: Option<String>) -> World {
        World(Arc::new(Inner {
            sandboxes: Mutex::default(),
            faults: Faults::default(),
            calls: Calls::default(),
            events: Events::new(event_faults, events_to),
            quotas: Quotas::default(),
            changed: Notify::new(),
        }))
    }

    /// One account, named by its twelve digits, in one Region; it comes into being with its first use.
    pub fn account(&self, account: &str, region: &str) -> Account {
        Account { world: self.clone(), place: Place { account: account.to_owned(), region: region.to_owned() } }
    }

    /// The faults in force.
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// The calls so far.
    pub fn calls(&self) -> &Calls {
        &self.0.calls
    }

    /// The events so far.
    pub fn events(&self) -> &Events {
        &self.0.events
    }

    /// Back to the first moment: no accounts, no workloads, no faults, no calls, no counts.
    pub fn reset(&self) {
        self.sandboxes(HashMap::clear);
        self.0.faults.clear();
        self.0.calls.reset();
        self.0.events.reset();
        self.0.quotas.reset();
    }

    /// How many accounts exist, and how many of their workloads are queued or running.
    pub(crate) fn size(&self) -> (usize, usize) {
        let now = clock::now();
        self.sandboxes(|sandboxes| (sandboxes.len(), sandboxes.values().map(|sandbox| sandbox.active(now)).sum()))
    }

    /// Looks at, or changes, one account; whoever announces events is told when the next one comes at another time.
    pub(crate) fn with<T>(&self, place: &Place, look: impl FnOnce(&mut Sandbox, Timestamp) -> T) -> T {
        self.sandboxes(|sandboxes| {
            // Read under the lock, so that what happens later in the world never has an earlier time.
            let now = clock::now();
            let sandbox = sandboxes.entry(place.clone()).or_insert_with(|| Sandbox::new(place, now));
            let before = sandbox.next_change();
            let answer = look(sandbox, now);
            sandbox.note_created();
            if sandbox.next_change() != before {
                self.0.changed.notify_one();
            }
            answer
        })
    }

    pub(crate) fn call(
        &self,
        place: &Place,
        service: ServiceName,
        operation: &str,
        input: &Map<String, Value>,
    ) -> Result<Value, AwsError> {
        self.with(place, |sandbox, now| sandbox.call(service, operation, input, now))
    }

    /// Holds a call against AWS's default request rate.
    pub(crate) fn take_quota(&self, place: &Place, service: ServiceName, operation: &str) -> Result<(), AwsError> {
        match service.quotas().iter().find(|quota| quota.operation == operation) {
            Some(quota) => self.0.quotas.take(place, service, quota, clock::now()),
            None => Ok(()),
        }
    }

    /// All events due, and when the next will be.
    pub(crate) fn announce(&self, now: Timestamp) -> (Vec<(Place, ServiceEvent)>, Option<Timestamp>) {
        self.sandboxes(|sandboxes| {
            let due = sandboxes
                .iter_mut()
                .flat_map(|(place, sandbox)| sandbox.announce(now).into_iter().map(|event| (place.clone(), event)))
                .collect();
            let next = sandboxes.values().filter_map(|sandbox| sandbox.next_change()).min();
            (due, next)
        })
    }

    /// Waits until the next state change comes at another time than was said.
    pub(crate) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    fn sandboxes<T>(&self, look: impl FnOnce(&mut HashMap<Place, Sandbox>) -> T) -> T {
        look(&mut self.0.sandboxes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One account in one Region.
#[derive(Debug, Clone)]
pub struct Account {
    world: World,
    place: Place,
}

impl Account {
    /// Its Athena.
    pub fn athena(&self) -> AthenaHandle {
        AthenaHandle::new(self.world.clone(), self.place.clone())
    }

    /// Its CloudTrail.
    pub fn cloudtrail(&self) -> CloudTrailHandle {
        CloudTrailHandle::new(self.world.clone(), self.place.clone())
    }

    /// Its EMR.
    pub fn emr(&self) -> EmrHandle {
        EmrHandle::new(self.world.clone(), self.place.clone())
    }

    /// Its Glue.
    pub fn glue(&self) -> GlueHandle {
        GlueHandle::new(self.world.clone(), self.place.clone())
    }

    /// Its SageMaker.
    pub fn sagemaker(&self) -> SageMakerHandle {
        SageMakerHandle::new(self.world.clone(), self.place.clone())
    }

    /// Its Systems Manager.
    pub fn ssm(&self) -> SsmHandle {
        SsmHandle::new(self.world.clone(), self.place.clone())
    }
}
