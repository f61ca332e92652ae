//! Schedules of an account.

use serde_json::Value;

use super::Account;
use crate::StageError;

impl Account {
    /// The schedules of a group, as `GetSchedule` tells them: the name, the expression and its zone, the target.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn schedules(&self, group: &str) -> Result<Vec<Value>, StageError> {
        let query = [("ScheduleGroup", group), ("MaxResults", "100")];
        let request = self.http.get(format!("{}/schedules", self.endpoint)).query(&query);
        let listed = self.scheduler(request, "scheduler:ListSchedules")?;
        let names = listed["Schedules"].as_array().into_iter().flatten().filter_map(|one| one["Name"].as_str());
        names.map(|name| self.schedule(group, name)).collect()
    }

    /// A schedule, as `GetSchedule` tells it.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn schedule(&self, group: &str, name: &str) -> Result<Value, StageError> {
        let request = self.http.get(format!("{}/schedules/{name}", self.endpoint)).query(&[("groupName", group)]);
        self.scheduler(request, "scheduler:GetSchedule")
    }

    /// Deletes a schedule, as somebody would who meddles.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn delete_schedule(&self, group: &str, name: &str) -> Result<(), StageError> {
        let request = self.http.delete(format!("{}/schedules/{name}", self.endpoint)).query(&[("groupName", group)]);
        self.scheduler(request, "scheduler:DeleteSchedule").map(drop)
    }

    fn scheduler(&self, request: reqwest::blocking::RequestBuilder, what: &str) -> Result<Value, StageError> {
        let text = self.text(self.sign(request, "scheduler"), what)?;
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }
}
