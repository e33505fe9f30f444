package rtest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// keysShown bounds how many keys a message lists.
const keysShown = 5

// list joins the first n and counts the rest.
func list(s []string, n int) string {
	if len(s) <= n {
		return strings.Join(s, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(s[:n], ", "), len(s)-n)
}

// short rounds a duration to what a person reads.
func short(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// wanted words requirements as lockcore's errors do.
func wanted(reqs []lockcore.Requirement) string {
	words := make([]string, len(reqs))
	for i, r := range reqs {
		words[i] = r.String()
	}
	return strings.Join(words, " and ")
}

// reqsShown bounds how many requirements a line about a wait names.
const reqsShown = 3

// briefly words requirements for a line that comes again and again.
func briefly(reqs []lockcore.Requirement) string {
	var names []string
	for i, r := range reqs {
		if i == reqsShown && len(reqs) > reqsShown+1 {
			names = append(names, plural(len(reqs)-i, "other", "others"))
			break
		}
		names = append(names, r.Brief())
	}
	return strings.Join(names, " and ")
}
