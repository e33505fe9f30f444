package lockcore

import (
	"fmt"
	"strings"
)

// A line that comes again and again while a request waits says what a reader looks
// for first: the place, and who is nearest in the way. Everything is in the error
// at the end of the wait, and in rtest-report ls.

// How many characters of a name such a line shows; what is left out is in the middle.
const (
	briefKey   = 40
	briefName  = 60
	briefPlace = 80
)

// Brief is [BusyError.Standing] for one line among others: the place in line and
// the nearest blocker, with how many more there are. It begins with "; ", or is
// empty when neither is known.
func (e *BusyError) Brief() string {
	var b strings.Builder
	b.WriteString(e.place())
	if len(e.Blockers) == 0 {
		return b.String()
	}
	k := e.Blockers[0]
	key, holder, since := quote(clip(k.Key, briefKey)), k.Holder.brief(), clock(k.Since, e.Time)
	var what string
	switch k.State {
	case "waiting":
		what = fmt.Sprintf("%s is claimed by %s, waiting since %s", key, holder, since)
	case "kept":
		what = fmt.Sprintf("%s is kept for %s until %s", key, holder, clock(k.Expires, e.Time))
	case "reserved":
		what = fmt.Sprintf("%s is reserved by %s until %s", key, holder, clock(k.Expires, e.Time))
	case "disabled":
		what = fmt.Sprintf("%s is out of service", key)
	case "foreign":
		what = fmt.Sprintf("%s is locked by another program", key)
	default:
		what = fmt.Sprintf("%s is held by %s since %s", key, holder, since)
	}
	if k.Reason != "" {
		what += ", reason: " + clip(k.Reason, briefName)
	}
	b.WriteString("; " + oneLine(what))
	switch others := len(e.Blockers) - 1; others {
	case 0:
	case 1:
		b.WriteString(", and 1 other is in the way (rtest-report ls)")
	default:
		fmt.Fprintf(&b, ", and %d others are in the way (rtest-report ls)", others)
	}
	return b.String()
}

// brief is the name of an owner and where to find it: the job, or else the process.
func (o Owner) brief() string {
	o.Test, o.Run, o.User = clip(o.Test, briefName), clip(o.Run, briefName), clip(o.User, briefName)
	if o.URL != "" {
		return Owner{Test: o.Test, Run: o.Run, User: o.User, URL: clip(o.URL, briefPlace)}.String()
	}
	o.Package, o.Host = clip(o.Package, briefName), clip(o.Host, briefKey)
	return o.String()
}

// Brief is [Requirement.String] for one line among others: of many candidates only
// the first is shown, and none if the requirement has a name.
func (r Requirement) Brief() string {
	shown := r
	shown.Name = clip(r.Name, briefKey)
	shown.Candidates = nil
	for _, c := range r.Candidates[:min(2, len(r.Candidates))] {
		shown.Candidates = append(shown.Candidates, Candidate{Key: clip(c.Key, briefKey)})
	}
	switch {
	case len(r.Candidates) <= 2:
		return shown.String()
	case r.Name != "":
		shown.Candidates = nil
		return shown.String()
	}
	return fmt.Sprintf("%d of [%s, … %d more]%s", r.Units(), quote(shown.Candidates[0].Key), len(r.Candidates)-1, r.modeWords())
}

// clip leaves out the middle of what is longer than n characters.
func clip(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	head := (n - 1) / 2
	return string(r[:head]) + "…" + string(r[len(r)-(n-1-head):])
}
