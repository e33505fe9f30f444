package simulate

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
)

// wanted is what the flags want printed.
type wanted struct {
	table, shares, brief    bool
	learned, expected       bool
	workloads, pools, loads string
	seeds                   int
	first                   uint64
}

var fromFlags wanted

func init() { fromFlags.register(flag.CommandLine) }

func (f *wanted) register(s *flag.FlagSet) {
	s.BoolVar(&f.table, "table", false, "print the whole table; takes minutes")
	s.BoolVar(&f.shares, "shares", false, "print it compared with fifo and greedy instead of in seconds")
	s.BoolVar(&f.learned, "learned", false, "print what learned expectations bring beside fifo and greedy")
	s.BoolVar(&f.expected, "expected", false, "print how far expected starts are off; takes minutes")
	s.BoolVar(&f.brief, "brief", false, "print what the README quotes")
	s.StringVar(&f.workloads, "workload", "", "names of the workloads to print, separated by commas; default all")
	s.StringVar(&f.pools, "pool", "", "sizes of the pools to print, separated by commas; default 5,20")
	s.StringVar(&f.loads, "load", "", "loads to print, separated by commas; default 0.7,0.9,1.2")
	s.IntVar(&f.seeds, "seeds", 0, "how many seeds to print the mean of; default 5")
	s.Uint64Var(&f.first, "first", 0, "the first of these; default 1")
}

// printer is nil if nothing is to be printed.
func (f *wanted) printer() func(io.Writer, Options) error {
	switch {
	case f.brief:
		return brief
	case f.expected:
		return ExpectedTable
	case f.shares:
		return shares
	case f.learned:
		return learned
	case f.table:
		return Table
	}
	return nil
}

var errBriefIsFixed = errors.New("-brief prints what the README quotes, which is of one workload, pool and load: leave out -workload, -pool, -load, -seeds and -first")

// options is what the flags choose. Lists are read here, not by the flag package,
// which would print forty lines about the flags of go test below an error.
func (f *wanted) options() (o Options, err error) {
	if f.brief && (f.workloads != "" || f.pools != "" || f.loads != "" || f.seeds != 0 || f.first != 0) {
		return o, errBriefIsFixed
	}
	o.Seeds, o.FirstSeed = f.seeds, f.first
	if f.workloads != "" {
		o.Workloads = strings.Split(f.workloads, ",")
	}
	if o.Pools, err = numbers(f.pools, strconv.Atoi); err != nil {
		return o, fmt.Errorf("-pool: %w: give whole numbers separated by commas, such as 5,20", err)
	}
	if o.Loads, err = numbers(f.loads, func(n string) (float64, error) { return strconv.ParseFloat(n, 64) }); err != nil {
		return o, fmt.Errorf("-load: %w: give shares of the pool separated by commas, such as 0.7,1.2", err)
	}
	return o, o.fill()
}

// numbers reads what stands between commas; nil if there is nothing at all.
func numbers[T any](value string, parse func(string) (T, error)) (out []T, err error) {
	if value == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(value, ",") {
		n, err := parse(strings.TrimSpace(part))
		if err != nil {
			return nil, fmt.Errorf("cannot read %q", part)
		}
		out = append(out, n)
	}
	return out, nil
}

// TestFlagsWithBadValues wants one error for each, which names the value and says
// what to give instead.
func TestFlagsWithBadValues(t *testing.T) {
	for _, c := range []struct{ name, value, names, mend string }{
		{"pool", "five", `"five"`, "5,20"},
		{"pool", "5,", `""`, "5,20"},
		{"pool", "5.5", `"5.5"`, "5,20"},
		{"pool", "99999999999999999999", `"99999999999999999999"`, "5,20"},
		{"pool", "5,0", "a pool of 0", "1 board"},
		{"pool", "-5", "a pool of -5", "1 board"},
		{"load", "high", `"high"`, "0.7,1.2"},
		{"load", "0,9", "a load of 0", "0.9"},
		{"load", "-0.9", "a load of -0.9", "0.9"},
		{"load", "101", "a load of 101", "to 100"},
		{"load", "1e-9", "a load of 1e-09", "from 0.01"},
		{"load", "NaN", "a load of NaN", "0.9"},
		{"load", "Inf", "a load of +Inf", "0.9"},
		{"seeds", "-1", "-1 seeds", "0 for the default"},
		{"workload", "tets", `"tets"`, `"tests"`},
		{"workload", "tests,", `""`, `"tests"`},
		{"pool", "1, 7", "", ""},
		{"load", "0.01,100", "", ""},
	} {
		_, err := parsed(t, "-"+c.name, c.value)
		switch {
		case c.names == "" && err != nil:
			t.Errorf("-%s %q: %v", c.name, c.value, err)
		case c.names != "" && (err == nil || !strings.Contains(err.Error(), c.names) || !strings.Contains(err.Error(), c.mend)):
			t.Errorf("-%s %q: want an error that names %s and %s, got: %v", c.name, c.value, c.names, c.mend, err)
		}
	}
	for _, args := range [][]string{{"-workload", "tests"}, {"-pool", "5"}, {"-load", "0.9"}, {"-seeds", "5"}, {"-first", "5"}} {
		if _, err := parsed(t, append(args, "-brief")...); !errors.Is(err, errBriefIsFixed) {
			t.Errorf("-brief %q: want %q, got: %v", args, errBriefIsFixed, err)
		}
	}
}

func TestFlagsChooseAPiece(t *testing.T) {
	o, err := parsed(t, "-workload", "liars,tests", "-pool", "7, 3", "-load", "0.5,2", "-seeds", "3", "-first", "9")
	if got := fmt.Sprint(o.Workloads, o.Pools, o.Loads, o.Seeds, o.FirstSeed); err != nil || got != "[liars tests] [7 3] [0.5 2] 3 9" {
		t.Errorf("the flags choose %s, %v", got, err)
	}
	o, err = parsed(t)
	if got := fmt.Sprint(len(o.Workloads), o.Pools, o.Loads, o.Seeds, o.FirstSeed); err != nil || got != "5 [5 20] [0.7 0.9 1.2] 5 1" {
		t.Errorf("no flags choose %s, %v", got, err)
	}
}

// parsed is what the arguments choose.
func parsed(t *testing.T, args ...string) (Options, error) {
	t.Helper()
	var f wanted
	s := flag.NewFlagSet("", flag.ContinueOnError)
	f.register(s)
	if err := s.Parse(args); err != nil {
		t.Fatal(err)
	}
	return f.options()
}
