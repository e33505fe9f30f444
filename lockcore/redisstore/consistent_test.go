package redisstore_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
)

// consistent wants what a store keeps more than once, so that an operation need not
// look at everything, to be what follows from the rest: lists of what can be had, the
// line, domains and counters. lua/always/names.lua says what the keys are.
func consistent(t testing.TB, m *miniredis.Miniredis) {
	t.Helper()
	for _, key := range m.Keys() {
		if base, ok := strings.CutSuffix(key, ":all"); ok && strings.HasPrefix(key, "{") {
			c := consistency{TB: t, m: m, base: base + ":", want: make(map[string]map[string]string)}
			c.read()
			c.compare()
		}
	}
}

// A consistency has what follows from the records of leases, waiters, pools and
// classes, and compares it with what stands.
type consistency struct {
	testing.TB
	m    *miniredis.Miniredis
	base string
	all  map[string]string
	reg  map[string]string
	want map[string]map[string]string // key -> member or field -> score or value; of a set, empty
}

// note says that a key has a member.
func (c *consistency) note(key, member, value string) {
	if c.want[key] == nil {
		c.want[key] = make(map[string]string)
	}
	c.want[key][member] = value
}

var (
	leaseRecord  = regexp.MustCompile(`^L (\w) (\d+) \d+ \d+ \d+\n.*\n(.*)\n`)
	waiterRecord = regexp.MustCompile(`^W (\d+) (\d+) (-?\d+) .*\n(.*)\n(\d+)!? (.*)\n`)
	poolRecord   = regexp.MustCompile(`^(\S+) (\d+) (\d+) (\d+)$`)
)

func (c *consistency) read() {
	c.all, c.reg = c.hash("all"), c.hash("reg")
	c.pools()
	c.waiters()
	c.leases()
}

func (c *consistency) hash(name string) map[string]string {
	fields, _ := c.m.HKeys(c.base + name)
	out := make(map[string]string)
	for _, f := range fields {
		out[f] = c.m.HGet(c.base+name, f)
	}
	return out
}

// pools tells the lists of each pool from who has its resources; pools that have a
// resource or a class in common are of one domain.
func (c *consistency) pools() {
	refs, domain, first := make(map[string]int), make(map[string]string), make(map[string]string)
	for _, f := range slices.Sorted(maps.Keys(c.reg)) {
		if n, ok := strings.CutPrefix(f, "P"); ok {
			p := poolRecord.FindStringSubmatch(c.reg[f])
			if p == nil {
				c.Fatalf("pool %s is %q", n, c.reg[f])
			}
			domain[n] = p[4]
			c.note("dom:"+p[4], "p"+n, "")
			if c.reg["p/"+p[1]] != n {
				c.Errorf("the name of pool %s leads to %q", n, c.reg["p/"+p[1]])
			}
		}
	}
	listed := make(map[string]string) // resource -> pools that list it
	for n, candidates := range c.hash("list") {
		if domain[n] == "" {
			c.Errorf("the list of pool %s has no pool", n)
		}
		keys := strings.Fields(candidates)
		if size := poolRecord.FindStringSubmatch(c.reg["P"+n])[3]; size != strconv.Itoa(len(keys)) {
			c.Errorf("pool %s has %d candidates, and says %s", n, len(keys), size)
		}
		for i, k := range keys {
			place := strconv.Itoa(i + 1)
			listed[k] += fmt.Sprintf("%s:%s\n", n, place)
			if at := c.place(k); at != "" {
				c.note(at+n, k, place)
			}
			if d, ok := first[k]; ok && d != domain[n] {
				c.Errorf("%s is in the domains %s and %s", k, d, domain[n])
			}
			first[k] = domain[n]
		}
	}
	for k, v := range c.all {
		if strings.HasPrefix(k, "!") || strings.HasPrefix(k, "#") {
			continue
		}
		has := ""
		if parts := strings.Split(v, "|"); len(parts) > 2 {
			has = parts[2]
		}
		got, want := strings.Fields(has), strings.Fields(listed[k])
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			c.Errorf("%s says that %q list it, and these do: %q", k, got, want)
		}
		delete(listed, k)
	}
	for k := range listed {
		c.Errorf("%s is listed, and has no record", k)
	}
	for f, spec := range c.reg {
		class, ok := strings.CutPrefix(f, "C")
		if !ok {
			continue
		}
		if c.reg["c/"+spec] != class {
			c.Errorf("%q leads to class %q, want %s", spec, c.reg["c/"+spec], class)
		}
		if !c.m.Exists(c.base + "q:" + class) {
			c.Errorf("class %s has no waiters", class)
		}
		of := ""
		for part := range strings.SplitSeq(spec, "|") {
			pool := part[strings.LastIndexByte(part, ' ')+1:]
			refs[pool]++
			if of != "" && of != domain[pool] {
				c.Errorf("class %s is in the domains %s and %s", class, of, domain[pool])
			}
			of = domain[pool]
			c.note("dom:"+of, "c"+class, "")
		}
	}
	for n := range domain {
		p := poolRecord.FindStringSubmatch(c.reg["P"+n])
		if p[2] != strconv.Itoa(refs[n]) {
			c.Errorf("pool %s says that %s requirements name it, and %d do", n, p[2], refs[n])
		}
		if size, _ := strconv.Atoi(p[3]); refs[n] == 0 && size <= 64 {
			c.Errorf("nobody waits for pool %s, and it is short", n)
		}
	}
	if numbered := 2 * (len(domain) + strings.Count(strings.Join(slices.Collect(maps.Keys(c.reg)), "\n"), "\nC")); numbered > len(c.reg) {
		c.Errorf("reg has %v", c.reg)
	}
}

// place is the list in which a resource belongs.
func (c *consistency) place(k string) string {
	x, s, n, m := 0, 0, 0, 0
	if parts := strings.Split(c.all[k], "|"); len(parts) > 1 {
		f := strings.Fields(parts[1])
		for h := 0; h+2 < len(f); h += 3 {
			units, _ := strconv.Atoi(strings.TrimSuffix(f[h+2], "*"))
			switch mode := f[h+1]; mode[0] {
			case 'x':
				x += units
			case 's':
				s += units
			default:
				seats, _ := strconv.Atoi(mode[1:])
				if n += units; m == 0 || seats < m {
					m = seats
				}
			}
		}
	}
	switch {
	case x > 0:
		return ""
	case s == 0 && n == 0:
		return "av:"
	case s > 0 || n < m:
		return "so:"
	}
	return ""
}

func (c *consistency) waiters() {
	nested, waiting := 0, 0
	for id, v := range c.all {
		w := waiterRecord.FindStringSubmatch(v)
		if !strings.HasPrefix(id, "!") || w == nil {
			continue
		}
		class, member := w[1], fmt.Sprintf("%012s", w[2])+id
		c.note("q:"+class, member, w[3])
		if w[4] != "" {
			nested++
			c.note("nest", id, class)
		}
		if w[5] == "0" && w[6] != "" {
			waiting++
			rank, err := strconv.ParseInt(w[3], 10, 64)
			if err != nil {
				c.Fatal(err)
			}
			c.note("wait", fmt.Sprintf("%s\n%s %016d%s", w[6], class, rank+(1<<52), member), "0") // by rank
		}
		if !c.has("due", id) {
			c.Errorf("%s waits for ever", id)
		}
	}
	for name, n := range map[string]int{"#nested": nested, "#waiting": waiting} {
		if got := c.all[name]; got != strconv.Itoa(n) && (got != "" || n > 0) {
			c.Errorf("%s is %q, want %d", name, got, n)
		}
	}
}

// leases wants what each got to stand in the records of the resources, and nothing else.
func (c *consistency) leases() {
	holds := make(map[string][]string)
	past, outages := 0, 0
	for id, v := range c.all {
		l := leaseRecord.FindStringSubmatch(v)
		if !strings.HasPrefix(id, "!") || l == nil {
			continue
		}
		for part := range strings.SplitSeq(l[3], "|") {
			f := strings.Fields(part)
			units := make(map[string]int)
			for _, k := range f[1:] {
				units[k]++
			}
			for k, n := range units {
				holds[k] = append(holds[k], fmt.Sprint(id, " ", f[0], " ", n))
			}
		}
		if k, ok := strings.CutPrefix(id, "!disabled:"); ok {
			outages++
			c.note("out", k, "")
		}
		if strings.Contains(strings.Split(v, "\n")[3], "|") {
			past++
		}
		if !c.has("due", id) {
			c.Errorf("%s holds for ever", id)
		}
	}
	if got := c.all["#outages"]; got != strconv.Itoa(outages) && (got != "" || outages > 0) {
		c.Errorf("#outages is %q, and %d resources are out of service", got, outages)
	}
	if got := c.all["#past"]; got != strconv.Itoa(past) && (got != "" || past > 0) {
		c.Errorf("#past is %q, and %d leases were let past others", got, past)
	}
	for k, v := range c.all {
		if strings.HasPrefix(k, "!") || strings.HasPrefix(k, "#") {
			continue
		}
		var got []string
		if parts := strings.Split(v, "|"); len(parts) > 1 {
			f := strings.Fields(parts[1])
			for h := 0; h+2 < len(f); h += 3 {
				got = append(got, strings.TrimSuffix(strings.Join(f[h:h+3], " "), "*"))
			}
		}
		want := holds[k]
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			c.Errorf("%s is held by %q, and the leases are %q", k, got, want)
		}
	}
	for _, member := range c.members("due") {
		if strings.HasPrefix(member, "!") && c.all[member] == "" {
			c.Errorf("%s ends, and is nothing", member)
		}
		if at, err := c.m.ZScore(c.base+"due", member); strings.HasPrefix(member, "#") && (err != nil || at < 0 || at > 1<<53) {
			c.Errorf("somebody shall look at %s at %f, which is no moment (%v)", member, at, err)
		}
	}
}

func (c *consistency) members(key string) []string {
	if !c.m.Exists(c.base + key) {
		return nil
	}
	out, err := c.m.ZMembers(c.base + key)
	if err != nil {
		c.Fatal(err)
	}
	return out
}

func (c *consistency) has(key, member string) bool {
	_, err := c.m.ZScore(c.base+key, member)
	return err == nil
}

// compare wants the keys to be what was noted.
func (c *consistency) compare() {
	for _, key := range c.m.Keys() {
		name, ok := strings.CutPrefix(key, c.base)
		kind, _, _ := strings.Cut(name, ":")
		if !ok || !slices.Contains([]string{"av", "so", "q", "dom", "wait", "nest", "out"}, kind) {
			continue
		}
		if c.want[name] == nil {
			c.Errorf("%s is there, and nothing asks for it", name)
		}
	}
	for name, want := range c.want {
		got := make(map[string]string)
		switch {
		case name == "out" || strings.HasPrefix(name, "dom:"):
			members, _ := c.m.Members(c.base + name)
			for _, member := range members {
				got[member] = ""
			}
		case name == "nest":
			got = c.hash(name)
		default:
			for _, member := range c.members(name) {
				score, _ := c.m.ZScore(c.base+name, member)
				got[member] = strconv.FormatFloat(score, 'f', -1, 64)
			}
		}
		if !maps.Equal(got, want) {
			c.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}
