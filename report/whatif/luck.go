package whatif

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore/simulate"
	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// draws are how many replays a scenario is: of other nights, and with the times of the
// run, which differ in which of several free resources is taken.
type draws struct{ nights, exact int }

// draws leaves what is wanted.
func (p *replay) draws(n draws) draws {
	if p.still {
		n.nights = 0
	}
	return n
}

// changed is how often a changed run is played: it need not be told which way of
// replaying fits.
func (n draws) changed() draws {
	const enough = 5
	if n.nights > 0 {
		n.exact = min(n.exact, enough)
	}
	return n
}

// nightsUsual is over how many other nights an estimate is. One night more lies within
// the range of twenty in about nine of ten cases, if it is drawn as they are.
const nightsUsual = 20

// exactMost is how many random tie-breaks are enough to find out what reproduces the run.
const exactMost = 10

const (
	// spreadUsual is how much a hold, or what a test does before it asks, varies from
	// night to night where no test of the events has run twice.
	spreadUsual = 0.05
	spreadMost  = 0.5 // what varies more is not the same work
	// spreadFew is how many repetitions it takes to believe what they say of the spread.
	spreadFew = 5
	// holdsFew is how many holds of a test it takes to draw others from them alone.
	holdsFew = 5
	// startsUsual is how much earlier or later a process starts, as a part of the run.
	startsUsual = 0.002
)

// stutter is what a busy machine adds or saves, whatever the length.
const stutter = time.Duration(report.Negligible)

// A variety is how long each test held, in order to draw how long it might have.
type variety struct {
	holds  [][]time.Duration // by job: of its test for the same, sorted; of others, if it never held
	spread float64           // standard deviation of the logarithm, from night to night
}

// own is how long a job itself holds, beside those within it and what is kept.
func (p *replay) own(i int) time.Duration { return max(0, p.jobs[i].Hold-p.requests[i].Kept) }

// vary finds out how much the same tests vary within the run.
func (p *replay) vary() {
	all := map[string][]time.Duration{}
	keys := func(i int) [3]string {
		wants := p.wants(i)
		return [3]string{strings.Join([]string{p.jobs[i].Owner.Package, p.jobs[i].Owner.Test, wants}, "\x00"), "\x00\x00" + wants, ""}
	}
	for i := range p.jobs {
		if p.jobs[i].Patience == 0 {
			for _, k := range keys(i) {
				all[k] = append(all[k], p.own(i))
			}
		}
	}
	for _, l := range all {
		slices.Sort(l)
	}
	p.variety = variety{holds: make([][]time.Duration, len(p.jobs)), spread: spreadUsual}
	counted := map[string]bool{}
	var squares float64
	repeats := 0
	for i := range p.jobs {
		k := keys(i)
		l := all[k[0]]
		if p.jobs[i].Patience > 0 && len(l) == 0 { // nobody knows how long it would have held
			if l = all[k[1]]; len(l) == 0 {
				l = all[k[2]]
			}
		}
		p.variety.holds[i] = l
		if len(l) < 2 || p.jobs[i].Patience > 0 || counted[k[0]] {
			continue
		}
		counted[k[0]] = true
		var mean float64
		for _, d := range l {
			mean += logOf(d) / float64(len(l))
		}
		for _, d := range l {
			squares += (logOf(d) - mean) * (logOf(d) - mean)
		}
		repeats += len(l) - 1
	}
	if repeats >= spreadFew {
		p.variety.spread = min(spreadMost, math.Sqrt(squares/float64(repeats)))
	}
}

// logOf is the logarithm of a length, to which a stutter is added: that of 1 ms and that
// of 2 ms are no different work.
func logOf(d time.Duration) float64 { return math.Log((d + stutter).Seconds()) }

// another is jobs as they might be in another night: each begins a little sooner or
// later, and holds as long as its test did another time. A job has the same luck
// whatever else is changed, so that differences are those of the change:
//
//	as it was     TestSoak holds 41 s in the third night
//	one board more  TestSoak holds 41 s in the third night
func (p *replay) another(jobs []simulate.Job, night uint64) []simulate.Job {
	jobs = slices.Clone(jobs)
	starts := map[eventlog.Process]time.Duration{}
	for i := range jobs {
		r, j := &p.requests[i], &jobs[i]
		luck := luckOf(night, i)
		proc := processOf(r)
		if _, ok := starts[proc]; !ok {
			starts[proc] = time.Duration(luck.bell() * float64(p.startsApart()))
		}
		if free(&j.Order) {
			began := max(0, min(j.At, p.processes[proc].from.Sub(p.base)))
			j.At = max(0, began+starts[proc]+p.about(j.At-began, luck))
		} else {
			j.At = p.about(j.At, luck)
		}
		was := p.own(i)
		j.Hold = max(0, j.Hold-was+p.heldAgain(i, was, luck))
	}
	return jobs
}

// startsApart is how much earlier or later a process starts.
func (p *replay) startsApart() time.Duration {
	return max(stutter, time.Duration(startsUsual*float64(p.makespan)))
}

// free reports whether a job comes at a time of its own.
func free(o *simulate.Order) bool {
	return o.After == 0 && o.Within == 0 && o.AfterLine == 0 && !o.Queued
}

// heldAgain is how long a job that held for that long might hold.
func (p *replay) heldAgain(i int, was time.Duration, luck luck) time.Duration {
	l := p.variety.holds[i]
	if len(l) >= holdsFew || len(l) > 0 && p.jobs[i].Patience > 0 {
		return l[luck.one(len(l))]
	}
	return p.about(was, luck)
}

// about is a length in another night. The one of the run is itself one of many, so two
// nights differ by more than one differs from the mean.
func (p *replay) about(d time.Duration, luck luck) time.Duration {
	if d < 0 {
		return d
	}
	factor := math.Exp(math.Sqrt2 * p.variety.spread * luck.bell())
	return max(0, time.Duration(factor*float64(d))+time.Duration(luck.bell()*float64(stutter)))
}

// luck is what chance brings a job in a night. Nights come in pairs, of which one has the
// bad luck where the other has the good: so their median is that of more nights.
type luck struct {
	rnd  *rand.Rand
	turn bool
}

func luckOf(night uint64, job int) luck {
	return luck{rand.New(rand.NewPCG(night/2, uint64(job))), night%2 == 1}
}

// bell is a standard normal deviate without its far ends.
func (l luck) bell() float64 {
	x := max(-2.5, min(2.5, l.rnd.NormFloat64()))
	if l.turn {
		return -x
	}
	return x
}

// one is one of n in order.
func (l luck) one(n int) int {
	i := l.rnd.IntN(n)
	if l.turn {
		return n - 1 - i
	}
	return i
}
