package report

import (
	"strconv"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// A Holder names somebody who holds, or waits for, resources: a test of a run,
// or a process that is no test. Run, Pkg and Test identify it; URL and Host are
// what was first seen of it.
type Holder struct {
	Pkg  string `json:"pkg,omitempty"`
	Test string `json:"test,omitempty"`
	Run  string `json:"run,omitempty"`
	URL  string `json:"url,omitempty"`
	Host string `json:"host,omitempty"`
}

// many stands for more holders than are told apart.
var many = Holder{Test: "(many)"}

// String is the name of the test, of the process where there is none.
func (h Holder) String() string {
	switch {
	case h.Test != "":
		return h.Test
	case h.Pkg != "":
		return h.Pkg
	case h.Run != "":
		return h.Run
	case h.Host != "":
		return h.Host
	}
	return "(unnamed)"
}

// A labelID stands for a Holder; 0 for none.
type labelID uint32

// labels numbers holders in the order in which they are first met.
type labels struct {
	ids map[labelKey]labelID
	all []Holder
}

type labelKey struct{ run, pkg, test string }

func newLabels() *labels {
	return &labels{ids: map[labelKey]labelID{}, all: make([]Holder, 1)}
}

func (l *labels) id(h Holder, pid int) labelID {
	k := labelKey{h.Run, h.Pkg, h.Test}
	if h.Test == "" {
		h.Test = h.Pkg // a suite-wide lease: its package names it
		if h.Test == "" && pid != 0 {
			h.Test = "pid " + strconv.Itoa(pid)
			if h.Host != "" {
				h.Test += " on " + h.Host
			}
		}
		k.test = h.Test
	}
	if id, ok := l.ids[k]; ok {
		return id
	}
	id := labelID(len(l.all))
	l.all = append(l.all, h)
	l.ids[k] = id
	return id
}

func (l *labels) event(e *eventlog.Event) labelID {
	return l.id(Holder{Pkg: e.Test.Pkg, Test: e.Test.Name, Run: e.Run.ID, URL: e.Run.URL, Host: e.Host}, e.PID)
}

func (l *labels) blocker(b *eventlog.Blocker) labelID {
	h := Holder{Pkg: b.Pkg, Test: b.Test, Run: b.Run, URL: b.URL, Host: b.Host}
	if b.User != "" && b.Test == "" {
		h = Holder{Test: b.User} // where the person called the command matters to nobody
	}
	if b.State == "disabled" && b.Key != "" && h.Test != "" {
		h.Test = b.Key + ", disabled by " + h.Test // whoever reads it wants to mend that one
	}
	if b.State == "foreign" && h.Test == "" {
		h.Test = "another program"
		if b.Req != "" {
			h.Test += " (" + b.Req + ")"
		}
	}
	return l.id(h, b.PID)
}
