package eventlog

import (
	"os"
	"strings"
	"testing"
)

func TestIdentityOfCIs(t *testing.T) {
	for name, c := range map[string]struct {
		env  map[string]string
		want RunInfo
	}{
		"github": {map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "812", "GITHUB_RUN_ATTEMPT": "1", "GITHUB_JOB": "hil",
			"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "lab/fw"},
			RunInfo{ID: "github-812", Attempt: 1, CI: "github", Job: "hil", URL: "https://github.com/lab/fw/actions/runs/812"}},
		"github again": {map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "812", "GITHUB_RUN_ATTEMPT": "2", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "lab/fw"},
			RunInfo{ID: "github-812", Attempt: 2, CI: "github", URL: "https://github.com/lab/fw/actions/runs/812/attempts/2"}},
		"gitlab": {map[string]string{"GITLAB_CI": "true", "CI_PIPELINE_ID": "7", "CI_JOB_NAME": "hil 1/3", "CI_JOB_URL": "https://gitlab/j/9", "CI_NODE_INDEX": "1"},
			RunInfo{ID: "gitlab-7", CI: "gitlab", Job: "hil 1/3", URL: "https://gitlab/j/9", Shard: "1"}},
		"jenkins": {map[string]string{"JENKINS_URL": "https://ci/", "BUILD_TAG": "jenkins-fw-12", "JOB_NAME": "fw", "BUILD_URL": "https://user:secret@ci/job/fw/12/"},
			RunInfo{ID: "jenkins-jenkins-fw-12", CI: "jenkins", Job: "fw", URL: "https://ci/job/fw/12/"}},
		"buildkite": {map[string]string{"BUILDKITE": "true", "BUILDKITE_BUILD_ID": "b-1", "BUILDKITE_RETRY_COUNT": "1", "BUILDKITE_LABEL": "hil",
			"BUILDKITE_BUILD_URL": "https://buildkite.com/b/1", "BUILDKITE_JOB_ID": "j-2", "BUILDKITE_PARALLEL_JOB": "0"},
			RunInfo{ID: "buildkite-b-1", Attempt: 2, CI: "buildkite", Job: "hil", URL: "https://buildkite.com/b/1#j-2", Shard: "0"}},
		"circleci": {map[string]string{"CIRCLECI": "true", "CIRCLE_WORKFLOW_ID": "w", "CIRCLE_JOB": "hil", "CIRCLE_BUILD_URL": "https://circleci.com/1", "CIRCLE_NODE_INDEX": "2"},
			RunInfo{ID: "circleci-w", CI: "circleci", Job: "hil", URL: "https://circleci.com/1", Shard: "2"}},
		"azure": {map[string]string{"TF_BUILD": "True", "BUILD_BUILDID": "5", "SYSTEM_JOBATTEMPT": "1", "AGENT_JOBNAME": "hil",
			"SYSTEM_COLLECTIONURI": "https://dev.azure.com/lab/", "SYSTEM_TEAMPROJECT": "the fw"},
			RunInfo{ID: "azure-5", Attempt: 1, CI: "azure", Job: "hil", URL: "https://dev.azure.com/lab/the%20fw/_build/results?buildId=5"}},
		"ours first": {map[string]string{"GITLAB_CI": "true", "CI_PIPELINE_ID": "7", "CI_JOB_URL": "https://gitlab/j/9", "RTEST_RUN": "mine", "RTEST_JOB_URL": "https://u:secret@mine/1"},
			RunInfo{ID: "mine", CI: "gitlab", URL: "https://mine/1"}},
	} {
		if got := Identity(func(k string) string { return c.env[k] }); got != c.want {
			t.Errorf("%s: got %+v; want %+v", name, got, c.want)
		}
	}
}

func TestIdentityOutsideOfACI(t *testing.T) {
	none := func(string) string { return "" }
	a, b := Identity(none), Identity(none)
	if a.ID == "" || a != b || a.CI != "" {
		t.Errorf("got %+v and %+v", a, b)
	}
	// That children of one parent share it is tested with real ones, by
	// TestProcessesKilledWhileTheyWrite.
	if self, ok := processStart(os.Getpid()); ok {
		parent, ok := processStart(os.Getppid())
		if !ok || self == 0 || parent > self {
			t.Errorf("this process started at %d, its parent at %d", self, parent)
		}
	}
	if _, ok := processStart(1 << 30); ok {
		t.Error("a process that is not has a start")
	}
	if got := withoutUser("::not a url::"); !strings.Contains(got, "not a url") {
		t.Errorf("got %q", got)
	}
}
