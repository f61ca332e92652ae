//! Databases of an account: Aurora clusters, and instances of their own. They have states and no data.

use super::{Account, element};
use crate::StageError;

const RDS: &str = "2014-10-31";

impl Account {
    /// Makes an Aurora cluster with one instance, `<name>-1`; both are available at once.
    ///
    /// # Errors
    /// When RDS refuses.
    pub fn create_cluster(&self, name: &str) -> Result<(), StageError> {
        let engine = ("Engine", "aurora-postgresql");
        let of_cluster = ("DBClusterIdentifier", name);
        let cluster = [("Action", "CreateDBCluster"), of_cluster, engine, USER, PASSWORD];
        self.rds(&cluster)?;
        let instance = format!("{name}-1");
        let class = ("DBInstanceClass", "db.r6g.large");
        let instance = ("DBInstanceIdentifier", instance.as_str());
        self.rds(&[("Action", "CreateDBInstance"), instance, of_cluster, engine, class]).map(drop)
    }

    /// Makes an instance that is in no cluster; it is available at once.
    ///
    /// # Errors
    /// When RDS refuses.
    pub fn create_database(&self, name: &str) -> Result<(), StageError> {
        let (class, storage) = (("DBInstanceClass", "db.t4g.micro"), ("AllocatedStorage", "20"));
        let instance = ("DBInstanceIdentifier", name);
        let engine = ("Engine", "postgres");
        self.rds(&[("Action", "CreateDBInstance"), instance, engine, class, storage, USER, PASSWORD]).map(drop)
    }

    /// A cluster's status, such as `available`, `stopping` or `stopped`.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn cluster_status(&self, name: &str) -> Result<String, StageError> {
        let answer = self.rds(&[("Action", "DescribeDBClusters"), ("DBClusterIdentifier", name)])?;
        Ok(element(&answer, "Status").to_owned())
    }

    /// An instance's status, such as `available`, `stopping` or `stopped`.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn database_status(&self, name: &str) -> Result<String, StageError> {
        let answer = self.rds(&[("Action", "DescribeDBInstances"), ("DBInstanceIdentifier", name)])?;
        Ok(element(&answer, "DBInstanceStatus").to_owned())
    }

    /// Stops a cluster, as a user would.
    ///
    /// # Errors
    /// When it is not available.
    pub fn stop_cluster(&self, name: &str) -> Result<(), StageError> {
        self.rds(&[("Action", "StopDBCluster"), ("DBClusterIdentifier", name)]).map(drop)
    }

    /// Starts a cluster, as AWS does by itself when it has been stopped for seven days.
    ///
    /// # Errors
    /// When it is not stopped.
    pub fn start_cluster(&self, name: &str) -> Result<(), StageError> {
        self.rds(&[("Action", "StartDBCluster"), ("DBClusterIdentifier", name)]).map(drop)
    }

    /// Stops an instance that is in no cluster, as a user would.
    ///
    /// # Errors
    /// When it is not available.
    pub fn stop_database(&self, name: &str) -> Result<(), StageError> {
        self.rds(&[("Action", "StopDBInstance"), ("DBInstanceIdentifier", name)]).map(drop)
    }

    /// Starts an instance that is in no cluster.
    ///
    /// # Errors
    /// When it is not stopped.
    pub fn start_database(&self, name: &str) -> Result<(), StageError> {
        self.rds(&[("Action", "StartDBInstance"), ("DBInstanceIdentifier", name)]).map(drop)
    }

    fn rds(&self, form: &[(&str, &str)]) -> Result<String, StageError> {
        self.query("rds", RDS, form)
    }
}

const USER: (&str, &str) = ("MasterUsername", "stage");
const PASSWORD: (&str, &str) = ("MasterUserPassword", "stage-stage-stage");
