//! Looks at interactive sessions.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt};
use guardrail::Measure;
use jiff::Timestamp;
use lambda::{CallError, CallErrorKind, Clock};

use super::{CALLS_AT_ONCE, Sighting, Time, Wants, observe};
use crate::client::Tags;
use crate::sessions::{SESSION, Session, Sessions, StatementPage, unread};
use crate::state::Phase;

/// What is known of sessions that were active when last seen.
#[derive(Debug, Default)]
pub(crate) struct Memory(BTreeMap<String, Known>);

impl Memory {
    /// Has tags read anew.
    pub(crate) fn forget_tags(&mut self) {
        self.0.values_mut().for_each(|known| known.tags = None);
    }
}

#[derive(Clone, Debug, Default)]
struct Known {
    statements: Statements,
    tags: Option<Tags>,
}

/// What is known of a session's statements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Statements {
    /// Where to read on: the first page with a statement under way, or else the last page.
    begin: Option<String>,
    /// When the last one to end did so.
    last_end: Option<Timestamp>,
    /// Whether one waits or runs.
    under_way: bool,
}

/// Looks at every session that has not ended.
pub(crate) async fn all<P: Sessions, C: Clock>(
    port: &P,
    memory: &mut Memory,
    wants: Wants,
    time: &Time<'_, C>,
) -> Sighting {
    const LIST: &str = "glue:ListSessions";
    let (mut sighting, mut sessions) = (Sighting::default(), Vec::new());
    let mut from = None;
    loop {
        match time.spend_on(LIST, port.sessions(from.as_deref())).await {
            Ok(page) => {
                sessions.extend(page.sessions.into_iter().filter(|session| session.state.phase != Phase::Ended));
                if !page.unread.is_empty() {
                    sighting.fail(unread(LIST, &page.unread));
                    sighting.miss(page.unread);
                }
                from = page.next;
                if from.is_none() {
                    let listed: BTreeSet<&str> = sessions.iter().map(|session| session.id.as_str()).collect();
                    memory.0.retain(|id, _| listed.contains(id.as_str()));
                    break;
                }
            }
            Err(problem) => {
                sighting.fail(problem);
                sighting.incomplete = true;
                break;
            }
        }
    }
    look_into(port, memory, sessions, wants, time, &mut sighting).await;
    sighting
}

/// Looks at these sessions.
pub(crate) async fn each<P: Sessions, C: Clock>(
    port: &P,
    memory: &mut Memory,
    ids: &[&str],
    wants: Wants,
    time: &Time<'_, C>,
) -> Sighting {
    let (mut sighting, mut sessions) = (Sighting::default(), Vec::new());
    let answers = stream::iter(ids).map(|id| async move { (*id, port.session(id).await) });
    let answers: Vec<_> = answers.buffer_unordered(CALLS_AT_ONCE).collect().await;
    for (id, answer) in answers {
        match answer {
            Ok(Some(session)) => sessions.push(session),
            Ok(None) => drop(memory.0.remove(id)),
            Err(problem) => {
                sighting.fail(problem);
                sighting.miss([id.to_owned()]);
            }
        }
    }
    look_into(port, memory, sessions, wants, time, &mut sighting).await;
    sighting
}

/// Reads what else is wanted of these sessions, and observes those that are active.
async fn look_into<P: Sessions, C: Clock>(
    port: &P,
    memory: &mut Memory,
    sessions: Vec<Session>,
    wants: Wants,
    time: &Time<'_, C>,
    sighting: &mut Sighting,
) {
    let mut active = Vec::new();
    for session in sessions {
        sighting.meet(SESSION, session.id.clone(), &session.state, &session.capacity);
        match session.state.phase {
            Phase::Active => active.push((memory.0.get(&session.id).cloned().unwrap_or_default(), session)),
            Phase::Ending | Phase::Ended => drop(memory.0.remove(&session.id)),
        }
    }
    let looks = stream::iter(active).map(|(known, session)| read_on(port, session, known, wants, time));
    let looks: Vec<_> = looks.buffer_unordered(CALLS_AT_ONCE).collect().await;
    for Look { session, known, statements, problems } in looks {
        if !problems.is_empty() {
            sighting.unseen.insert(session.id.clone());
        }
        problems.into_iter().for_each(|problem| sighting.fail(problem));
        match &known.tags {
            // Without its tags it would be held against the limit of somebody else.
            None if wants.tags => sighting.incomplete = true,
            tags => {
                let Session { id, state, created_at, capacity, .. } = &session;
                let observation = observe(SESSION, id, state, *created_at, capacity, tags.as_ref());
                sighting.observations.push(match statements.filter(|statements| !statements.under_way) {
                    Some(Statements { last_end, .. }) => {
                        observation.since(Measure::IdleTime, last_end.unwrap_or(*created_at))
                    }
                    None => observation,
                });
            }
        }
        memory.0.insert(session.id, known);
    }
}

/// What was read of an active session.
struct Look {
    session: Session,
    known: Known,
    /// Its statements, where they are wanted and tell since when it is idle.
    statements: Option<Statements>,
    problems: Vec<CallError>,
}

async fn read_on<P: Sessions, C: Clock>(
    port: &P,
    session: Session,
    known: Known,
    wants: Wants,
    time: &Time<'_, C>,
) -> Look {
    let mut look = Look { session, known, statements: None, problems: Vec::new() };
    let id = &look.session.id;
    if wants.tags && look.known.tags.is_none() {
        let tags = time.spend_on("glue:GetTags", port.session_tags(id)).await;
        look.known.tags = tags.map_err(|problem| look.problems.push(problem)).ok();
    }
    if wants.idle_time && look.session.can_be_idle() {
        match statements(port, id, &look.known.statements, time).await {
            Ok(Some(statements)) => {
                look.known.statements.clone_from(&statements);
                look.statements = Some(statements);
            }
            // It has ended since it was listed.
            Ok(None) => {}
            Err(problem) => look.problems.push(problem),
        }
    }
    look
}

/// Reads a session's statements on from where they are known.
async fn statements<P: Sessions, C: Clock>(
    port: &P,
    session: &str,
    known: &Statements,
    time: &Time<'_, C>,
) -> Result<Option<Statements>, CallError> {
    match statements_from(port, session, known.begin.clone(), known.last_end, time).await {
        // A page's token that has grown old is refused.
        Err(problem) if problem.kind == CallErrorKind::Invalid && known.begin.is_some() => {
            statements_from(port, session, None, known.last_end, time).await
        }
        read => read,
    }
}

async fn statements_from<P: Sessions, C: Clock>(
    port: &P,
    session: &str,
    begin: Option<String>,
    last_end: Option<Timestamp>,
    time: &Time<'_, C>,
) -> Result<Option<Statements>, CallError> {
    let mut read = Statements { begin: begin.clone(), last_end, under_way: false };
    let mut from = begin;
    loop {
        let page = time.spend_on("glue:ListStatements", port.statements(session, from.as_deref())).await?;
        let Some(StatementPage { statements, next }) = page else {
            return Ok(None);
        };
        if !read.under_way {
            read.begin.clone_from(&from);
        }
        read.under_way |= statements.iter().any(|statement| statement.under_way);
        read.last_end = read.last_end.max(statements.iter().filter_map(|statement| statement.ended_at).max());
        // They come oldest first. AWS does not promise it, and if the newest come first, the first page says it all.
        let newest_first = statements.first().zip(statements.last()).is_some_and(|(first, last)| first.id > last.id);
        match next {
            Some(next) if !newest_first => from = Some(next),
            _ => return Ok(Some(read)),
        }
    }
}
