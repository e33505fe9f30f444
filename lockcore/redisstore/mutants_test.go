package redisstore

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore/locktest/campaign"
)

// A phase is a group of tests.
type phase struct {
	name  string
	tests string
	clock bool // real time passes in them, so that a machine that is busy may make one fail
}

// phases are what a mutant has to pass, the quickest first.
var phases = []phase{
	{"stories", "^TestStories(InSmallPages|OfRepeatedCalls)?$", false},
	{"bubbles", "^(TestKeyOf.*|TestUnconfirmed.*|TestPoll|TestLatestToken|TestDeadWaiter.*|TestLockDelay|TestTombstones|TestDataLoss|TestRenewalOf.*|TestLine.*|TestOlder.*|TestTooFew.*|TestLiars|TestWhatIs(Learned|Usual.*)|TestOldHistory|" +
		"Test(Release|Withdrawal|End)IsRemembered|TestEndIsTold|TestShortestPoll|TestLongestOutage|TestEndingsAreBounded|TestHistoryAge|TestLeasesLetPast.*|TestOutside.*|TestRepeatedCalls|TestPolicyIsOne.*|TestLongLists|TestShortWays.*|TestRandomChoiceOf.*|TestRenewalKeepsALease.*|TestUpkeep.*)$", false},
	{"traces", "^TestTraces(InSmallPages|OfRepeatedCalls)?$", false},
	{"servers", "", true}, // the rest of the tests
	{"conformance", "^TestConformance(WithInterop|OnRedis)$", true},
}

// notTried are tests that say nothing about the scripts.
const notTried = "^(TestMutants|TestHistory" + // a campaign
	"|TestConstantsStandOnce|TestCoverage|TestExplanations|TestFieldsOfAStep.*|TestEveryFileIsPutIn" + // they read the text as it stands
	"|TestGotIsReadAsWritten|TestCommonMode|TestSample|TestURLs.*|TestKnownParameters.*" + // no script runs
	"|TestServerIsDown|TestAllSentinels.*|TestServerSays.*|TestPasswords|TestPermissions|TestReplica.*|TestServerCannotSave|TestServerIsLoading|TestCheck" + // nor here: the server refuses
	"|TestSentinelFailsOver|TestNoDoubleHolder.*|TestClusterFailsOver|Test.*Failover.*|TestConformanceOn(Cluster|Sentinel.*|Miniredis)" + // the same scripts on other servers
	"|TestScriptFlush|TestAllConnections.*|TestSubscription.*|TestProxy(Cuts|Delays)|TestServerStops)$" // about connections

// complete returns the phases with the rest of the tests in the one that has it: a test
// that is new is among them without anybody's doing.
func complete(t *testing.T, exe string) []phase {
	out, err := exec.Command(exe, "-test.list=^Test").Output()
	if err != nil {
		t.Fatal(err)
	}
	all, rest := slices.Clone(phases), 0
	elsewhere := notTried
	for i, p := range all {
		if p.tests == "" {
			rest = i
		} else {
			elsewhere += "|" + p.tests
		}
	}
	var names []string
	for name := range strings.Lines(string(out)) {
		if name = strings.TrimSpace(name); strings.HasPrefix(name, "Test") && !regexp.MustCompile(elsewhere).MatchString(name) {
			names = append(names, name)
		}
	}
	if len(names) < 20 {
		t.Fatalf("only %q are left", names)
	}
	all[rest].tests = "^(" + strings.Join(names, "|") + ")$"
	return all
}

// TestMutants tries the mutants of the scripts, each with the tests that run its line
// (coverage_test.go), and fails for each that they do not notice. It leaves out those
// of a line with "no difference:" in a comment on the line or on the one above it, which
// says why nobody could notice a change; "no difference of 0, and:" is about the changes
// of these words only. It takes an hour or so, so it is run by hand:
//
//	REDISSTORE_MUTANTS=all nice go test -timeout 5h -v -run TestMutants$ ./lockcore/redisstore
//
// Instead of all it may name parts, which are tried in this order:
// rest/nested,op/,constants,rest/patience.lua:17; or @FILE, the output of an earlier
// run, for those that were not noticed then.
// REDISSTORE_MUTANT_PHASES=1-3 has them meet the quicker tests only, those on a clock
// that a busy machine does not disturb; 4-5 is the rest. REDISSTORE_MUTANT_WORKERS is
// how many are tried side by side. With REDISSTORE_MUTANT_RESULTS=FILE what comes
// out is added to the file, and what stands there is not tried again.
func TestMutants(t *testing.T) {
	which := os.Getenv("REDISSTORE_MUTANTS")
	if which == "" {
		t.Skip("it takes hours: REDISSTORE_MUTANTS=all, see there")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := &mutantRun{exe: exe, coverage: make(coverage), killers: make(map[string][]string), died: make(map[string]int)}
	try := complete(t, exe)
	if part := os.Getenv("REDISSTORE_MUTANT_PHASES"); part != "" {
		var from, to int
		if _, err := fmt.Sscanf(part, "%d-%d", &from, &to); err != nil || from < 1 || to < from || to > len(phases) {
			t.Fatalf("REDISSTORE_MUTANT_PHASES=%q is not like 1-%d", part, len(phases))
		}
		try = try[from-1 : to]
	}
	for _, p := range try {
		r.cover(t, p)
	}
	known := ""
	if name := os.Getenv("REDISSTORE_MUTANT_RESULTS"); name != "" {
		data, err := os.ReadFile(name)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		known = string(data)
		if r.results, err = os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644); err != nil {
			t.Fatal(err)
		}
		defer r.results.Close()
	}
	todo := make(chan mutant)
	var workers sync.WaitGroup
	for range campaign.Knob(t, "REDISSTORE_MUTANT_WORKERS", 1) {
		workers.Go(func() {
			for m := range todo {
				r.judge(t, m)
			}
		})
	}
	n, before, explained := 0, 0, 0
	for _, m := range chosen(t, which) {
		switch n++; {
		case explanation(m) != "":
			explained++
		case strings.Contains(known, "["+m.String()+"]"):
			before++
		default:
			todo <- m
		}
	}
	close(todo)
	workers.Wait()
	t.Logf("%d mutants: nobody could notice %d of them, %d stood in the file, %d were not noticed", n, explained, before, r.survived)
	for _, p := range phases {
		t.Logf("%d died of %s", r.died[p.name], p.name)
	}
}

// chosen are the mutants that the variable names.
func chosen(t *testing.T, which string) (out []mutant) {
	unnoticed := ""
	if file, ok := strings.CutPrefix(which, "@"); ok {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			if strings.Contains(line, "not noticed") {
				unnoticed += line
			}
		}
	}
	all := append(mutantsOfConstants(), mutantsOfFiles(t)...)
	for part := range strings.SplitSeq(which, ",") {
		for _, m := range all {
			if (which == "all" || strings.Contains(unnoticed, "["+m.String()+"]") || strings.Contains(fmt.Sprintf("%s:%d:", m.file, m.line), part) ||
				strings.HasPrefix(m.file+"."+m.old, part)) && !slices.Contains(out, m) {
				out = append(out, m)
			}
		}
	}
	return out
}

// A mutantRun is what the workers have in common.
type mutantRun struct {
	exe string
	coverage
	results *os.File // nil: none

	mu       sync.Mutex
	killers  map[string][]string // file -> tests of which its mutants died, the latest first
	died     map[string]int      // by the name of the phase
	survived int
	tried    int
}

// judge tries a mutant and says what came out.
func (r *mutantRun) judge(t *testing.T, m mutant) {
	p, killer := r.outlives(m)
	r.mu.Lock()
	defer r.mu.Unlock()
	said := ""
	if killer != "" {
		r.died[p.name]++
		said = "died of " + killer
		if !p.clock && killer != aHang {
			known := slices.DeleteFunc(r.killers[m.file], func(name string) bool { return name == killer })
			r.killers[m.file] = slices.Insert(known, 0, killer)
		}
	} else {
		r.survived++
		said = "is not noticed"
		if len(r.coverage.of(m)) == 0 {
			said += ", and its line is not run"
		}
		t.Errorf("%s:%d: %s for %s %s [%s]", m.file, m.line, m.new, m.old, said, m)
	}
	if r.tried++; r.tried%50 == 0 {
		t.Logf("%d tried", r.tried)
	}
	if r.results != nil {
		fmt.Fprintf(r.results, "%s:%d: %s for %s %s [%s]\n", m.file, m.line, m.new, m.old, said, m)
	}
}

// outlives returns the phase and the test of which a mutant died; or nothing. Only
// tests that run its line are tried: first those of which other mutants of the file
// died lately, because most die of the same; then the quickest.
func (r *mutantRun) outlives(m mutant) (of phase, killer string) {
	r.mu.Lock()
	lately := slices.Clone(r.killers[m.file])
	r.mu.Unlock()
	tests := r.coverage.of(m)
	var early []testCase
	for _, name := range lately[:min(len(lately), 4)] {
		if i := slices.IndexFunc(tests, func(tc testCase) bool { return tc.name == name }); i >= 0 {
			early = append(early, tests[i])
			tests = slices.Delete(slices.Clone(tests), i, i+1)
		}
	}
	for _, group := range append([][]testCase{early}, groups(tests, false)...) {
		if killer := r.run(m.String(), group); killer != "" {
			return phaseOf(killer), killer
		}
	}
	for _, group := range groups(tests, true) {
		for range 3 {
			killer := r.run(m.String(), group)
			if killer == "" {
				break
			}
			alone := []testCase{{name: killer, took: group[len(group)-1].took}}
			if killer == aHang {
				alone = group
			}
			// It shall fail again, and pass without the change: then it was no chance.
			if r.run(m.String(), alone) != "" && r.run("", alone) == "" {
				return phaseOf(group[0].name), killer
			}
		}
	}
	return phase{}, ""
}

// groups are the tests that pass real time, or the others, in groups of which each
// takes about twice as long as the one before.
func groups(tests []testCase, clock bool) (out [][]testCase) {
	limit, sum := 100*time.Millisecond, time.Duration(0)
	for _, tc := range tests {
		if phaseOf(tc.name).clock != clock {
			continue
		}
		if sum += tc.took; len(out) == 0 || sum > limit {
			out, limit, sum = append(out, nil), 2*limit, tc.took
		}
		out[len(out)-1] = append(out[len(out)-1], tc)
	}
	return out
}

// aHang is what a mutant died of that used up its time, or ended the process.
const aHang = "a hang, or a crash"

// only is the pattern for one test, or subtest.
func only(name string) string {
	parts := strings.Split(name, "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	return strings.Join(parts, "/")
}

// phaseOf returns the phase that has a test.
func phaseOf(killer string) (rest phase) {
	if killer == aHang {
		return phases[0] // in what was tried first
	}
	top, _, _ := strings.Cut(killer, "/")
	for _, p := range phases {
		if p.tests == "" {
			rest = p
		} else if regexp.MustCompile(p.tests).MatchString(top) {
			return p
		}
	}
	return rest
}

var failed = regexp.MustCompile(`--- FAIL: (\S+) \(`)

// run has a mutant, or the scripts as they are, pass some tests; it returns the first
// that failed.
func (r *mutantRun) run(which string, tests []testCase) (killer string) {
	if len(tests) == 0 {
		return ""
	}
	patterns := make([]string, len(tests))
	limit, clock := 4.0, false // seconds of the processor: what takes more hangs
	for i, tc := range tests {
		patterns[i] = only(tc.name)
		limit += 10 * tc.took.Seconds()
		clock = clock || phaseOf(tc.name).clock
	}
	cmd := exec.Command("sh", "-c", `ulimit -t "$1" && shift && exec "$@"`, "sh", strconv.Itoa(int(limit)), r.exe, "-test.run="+strings.Join(patterns, "|"), "-test.failfast", "-test.timeout=0")
	cmd.Env = r.environ(which, clock)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err == nil || errors.Is(err, exec.ErrWaitDelay) && cmd.ProcessState.Success() {
		return ""
	}
	if bytes.Contains(out, []byte("testing: warning: no tests to run")) {
		panic("no test is called " + strings.Join(patterns, "|"))
	}
	for _, f := range failed.FindAllStringSubmatch(string(out), -1) {
		if killer == "" || strings.HasPrefix(f[1], killer+"/") {
			killer = f[1]
		}
	}
	return cmp.Or(unit(killer), aHang)
}

// environ is that of a process that is a mutant, or of one that is none.
func (r *mutantRun) environ(which string, clock bool) []string {
	env := append(os.Environ(), "REDISSTORE_MUTANT="+which, "REDISSTORE_MUTANTS=", "LOCKTEST_TRACES=4", "LOCKTEST_SEED=1", "GOGC=400")
	if !clock {
		env = append(env, "GOMAXPROCS=1") // a quarter less of the processor
	}
	return env
}
