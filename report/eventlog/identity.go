package eventlog

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"sync"
)

// Identity says which run this process belongs to, as getenv, usually
// environ.Getenv, tells: RTEST_RUN and RTEST_JOB_URL if they are set, else the
// variables of GitHub Actions, GitLab, Jenkins, Buildkite, CircleCI or Azure
// Pipelines, else an identity made up on this machine that the children of one
// parent share, as the test binaries of one go test do.
func Identity(getenv func(string) string) RunInfo {
	var info RunInfo
	for _, ci := range cis {
		if getenv(ci.mark) != "" {
			info = ci.read(getenv)
			info.CI = ci.name
			if info.ID != "" {
				info.ID = ci.name + "-" + info.ID // the numbers of two CIs may meet in one log
			}
			break
		}
	}
	if id := getenv("RTEST_RUN"); id != "" {
		info.ID = id
	}
	if u := getenv("RTEST_JOB_URL"); u != "" {
		info.URL = u
	}
	if info.ID == "" {
		info.ID = localRun()
	}
	info.URL = withoutUser(info.URL)
	return info
}

// cis are tried in this order; mark is set by that CI alone. Only variables
// that their vendor documents are read.
var cis = []struct {
	name, mark string
	read       func(get func(string) string) RunInfo
}{
	{"github", "GITHUB_ACTIONS", func(get func(string) string) RunInfo {
		r := RunInfo{ID: get("GITHUB_RUN_ID"), Attempt: number(get("GITHUB_RUN_ATTEMPT")), Job: get("GITHUB_JOB")}
		if r.ID != "" && get("GITHUB_REPOSITORY") != "" {
			r.URL = get("GITHUB_SERVER_URL") + "/" + get("GITHUB_REPOSITORY") + "/actions/runs/" + r.ID
			if r.Attempt > 1 {
				r.URL += "/attempts/" + strconv.Itoa(r.Attempt)
			}
		}
		return r
	}},
	{"gitlab", "GITLAB_CI", func(get func(string) string) RunInfo {
		return RunInfo{ID: get("CI_PIPELINE_ID"), Job: get("CI_JOB_NAME"), URL: get("CI_JOB_URL"), Shard: get("CI_NODE_INDEX")}
	}},
	{"jenkins", "JENKINS_URL", func(get func(string) string) RunInfo {
		return RunInfo{ID: get("BUILD_TAG"), Job: get("JOB_NAME"), URL: get("BUILD_URL")}
	}},
	{"buildkite", "BUILDKITE", func(get func(string) string) RunInfo {
		r := RunInfo{ID: get("BUILDKITE_BUILD_ID"), Job: get("BUILDKITE_LABEL"), URL: get("BUILDKITE_BUILD_URL"), Shard: get("BUILDKITE_PARALLEL_JOB")}
		if retries := get("BUILDKITE_RETRY_COUNT"); retries != "" {
			r.Attempt = number(retries) + 1
		}
		if job := get("BUILDKITE_JOB_ID"); job != "" && r.URL != "" {
			r.URL += "#" + job
		}
		return r
	}},
	{"circleci", "CIRCLECI", func(get func(string) string) RunInfo {
		return RunInfo{ID: get("CIRCLE_WORKFLOW_ID"), Job: get("CIRCLE_JOB"), URL: get("CIRCLE_BUILD_URL"), Shard: get("CIRCLE_NODE_INDEX")}
	}},
	{"azure", "TF_BUILD", func(get func(string) string) RunInfo {
		r := RunInfo{ID: get("BUILD_BUILDID"), Attempt: number(get("SYSTEM_JOBATTEMPT")), Job: get("AGENT_JOBNAME"), Shard: get("SYSTEM_JOBPOSITIONINPHASE")}
		if base := get("SYSTEM_COLLECTIONURI"); base != "" && r.ID != "" {
			r.URL = base + url.PathEscape(get("SYSTEM_TEAMPROJECT")) + "/_build/results?buildId=" + url.QueryEscape(r.ID)
		}
		return r
	}},
}

func number(s string) int {
	n, _ := strconv.Atoi(s) // not a number: unknown
	return n
}

// localRun is the identity outside a CI. The parent's pid alone would come back
// some day; with the time at which the parent started it does not.
var localRun = sync.OnceValue(func() string {
	host, _ := os.Hostname()
	if host == "" {
		host = "local"
	}
	ppid := os.Getppid()
	if start, ok := processStart(ppid); ok {
		return fmt.Sprintf("%s-%d-%s", host, ppid, strconv.FormatUint(start, 36))
	}
	var b [4]byte
	rand.Read(b[:])
	return fmt.Sprintf("%s-%d-%s", host, os.Getpid(), hex.EncodeToString(b[:]))
})

// withoutUser removes user and password from an address that will be shown.
func withoutUser(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.User == nil {
		return s
	}
	u.User = nil
	return u.String()
}
