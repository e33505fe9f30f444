package redisstore

import (
	"regexp"
	"strconv"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
)

// The scripts name what is a number or a letter by words in capitals, and get the
// values here when they are assembled: those that all stores share from the scheduler,
// and those that Go and Lua share from the Go that uses them. So none stands twice. A
// name that a script declares itself is none of these; a test sees to it that every
// other is.
var constants = map[string]string{
	"PROVISIONAL":    duration(sched.Provisional),
	"LEVEL":          duration(sched.Level),
	"HEARTBEAT":      duration(sched.Heartbeat),
	"POLLS_PER_TTL":  strconv.Itoa(sched.PollsPerTTL),
	"SHORTEST_POLL":  duration(sched.ShortestPoll),
	"MISSED_POLLS":   strconv.Itoa(sched.MissedPolls),
	"PATIENCE":       strconv.Itoa(sched.Patience),
	"LEAST_PATIENCE": duration(sched.LeastPatience),
	"RANK_SHIFT":     strconv.FormatInt(rankShift, 10),
	"SHADOW_SHARE":   strconv.Itoa(sched.ShadowShare),
	"PATIENCE_SHARE": strconv.Itoa(sched.PatienceShare),
	"FRESH_WAIT":     duration(sched.FreshWait),
	"PROMISE_PART":   strconv.Itoa(sched.PromisePart),
	"NOT_DELAYED":    duration(sched.NotDelayed),
	"USUAL_UP":       strconv.Itoa(sched.UsualUp),
	"USUAL_DOWN":     strconv.Itoa(sched.UsualDown),
	"USUAL_PARTS":    strconv.Itoa(sched.UsualParts),
	"HOLDS_KEPT":     strconv.Itoa(sched.HoldsKept),
	"HISTORY_AGE":    duration(sched.HistoryAge),
	"ENDED_KEPT":     duration(sched.EndedKept),

	"TESTS_KEPT":      strconv.Itoa(testsKept),
	"RELEASE_KEPT":    duration(releaseKept),
	"RELEASE_SECONDS": strconv.Itoa(int(releaseKept / time.Second)),
	"WITHDRAWAL_KEPT": duration(withdrawalKept),
	"TOKEN_KEPT":      duration(tokenKept),
	"LIST_KEPT_MS":    milliseconds(listKept),
	"REPLY_KEPT_MS":   milliseconds(replyKept),
	"LONG_LIST":       strconv.Itoa(longList),
	"FEW_ARGUMENTS":   strconv.Itoa(fewArguments),
	"FEW_MEMBERS":     strconv.Itoa(fewMembers),
	"SWEEP_EVERY":     strconv.Itoa(sweepEvery),

	"REPLY_WAITS":   quoted(replyWaits),
	"REPLY_BUSY":    quoted(replyBusy),
	"REPLY_ENDED":   quoted(replyEnded),
	"REPLY_POLICY":  quoted(replyPolicy),
	"REPLY_LISTS":   quoted(replyLists),
	"REPLY_HELD":    quoted(replyHeld),
	"REPLY_MISSING": quoted(replyMissing),

	"ENDED_RELEASED":        quoted(endedReleased),
	"ENDED_BY_FREE":         quoted(endedByFree),
	"ENDED_WITHDRAWN":       quoted(endedWithdrawn),
	"ENDED_UNTAKEN":         quoted(endedUntaken),
	"ENDED_OUTDATED":        quoted(endedOutdated),
	"ENDED_REGRANTED":       quoted(endedRegranted),
	"ENDED_FOREIGN":         quoted(endedForeign),
	"ENDED_DATA_LOST":       quoted(endedDataLost),
	"ENDED_BUT_KEPT":        quoted(endedButKept),
	"STATE_HELD":            quoted(stateHeld),
	"STATE_GRANTED":         quoted(stateGranted),
	"STATE_KEPT":            quoted(stateKept),
	"STATE_RESERVED":        quoted(stateReserved),
	"STATE_DISABLED":        quoted(stateDisabled),
	"ENDING_RELEASED":       strconv.Itoa(int(lockcore.Released)),
	"ENDING_DIED":           strconv.Itoa(int(lockcore.Died)),
	"ENDING_UNKNOWN":        strconv.Itoa(int(lockcore.Unknown)),
	"REPLY_DISABLED":        quoted(replyDisabled),
	"TROUBLES_KEPT":         strconv.Itoa(sched.TroublesKept),
	"LONGEST_OUTAGE":        duration(sched.LongestOutage),
	"FOR_EVER":              strconv.FormatInt(forEver, 10),
	"STATE_SET_ASIDE":       quoted(stateSetAside),
	"POLICY_BACKFILL":       quoted(policyBackfill),
	"POLICY_FIRST_BACKFILL": quoted(policyFirstBackfill),
	"HOW_WAIT":              quoted(howWait),
	"RELEASE_UNDO":          quoted(releaseUndo),
	"CHOICE_RANDOM":         quoted(choiceRandom),
	"CHOICE_IN_ORDER":       quoted(choiceInOrder),
	"CHOICE_LEAST_USE":      quoted(choiceLeastUse),
}

const (
	testsKept      = 10_000           // tests whose holds are remembered
	releaseKept    = 15 * time.Second // how long a release may be tried again
	withdrawalKept = time.Minute      // how long a request that was withdrawn may be on the way
	tokenKept      = 24 * time.Hour   // of a resource that nobody holds: no lease that could come back is as old
	listKept       = time.Hour        // a long list that nobody uses
	replyKept      = time.Minute      // that of a Free, for a repeated call
	forEver        = 1 << 53          // the deadline of what has none: the largest that a script can count
	rankShift      = 1 << 52          // makes ranks positive, and keeps them exact, up to 40 million levels of priority
	fewArguments   = 400              // what a script hands on in one call
	fewMembers     = 40               // pools and classes of a domain that a short way looks at
	sweepEvery     = 64               // operations, of which one sweeps
)

// What the scripts answer.
const (
	replyWaits    = "W" // poll fence
	replyBusy     = "B" // it would have to wait
	replyEnded    = "T" // why: one of those below
	replyPolicy   = "X" // the namespace is in use under the other policy
	replyLists    = "P" // names of lists that are not registered
	replyHeld     = "H" // resource info-of-its-holder
	replyMissing  = "M" // there is no such lease
	replyDisabled = "D" // resource: it is out of service
)

// Why a lease or a ticket is no more.
const (
	endedReleased  = "R"
	endedByFree    = "F" // and the words of the caller of Free
	endedWithdrawn = "D"
	endedUntaken   = "U" // the grant was not confirmed in time
	endedOutdated  = "S" // a later grant of its keys came to light
	endedRegranted = "L" // it expired, and its request has another grant
	endedForeign   = "O" // another program locked one of its keys
	endedDataLost  = "G" // the server lost its data more than once
	endedButKept   = "K" // its holder gave it back, and its keys are kept for a while
)

// The states of a lease in its record.
const (
	stateHeld     = "h"
	stateGranted  = "g" // but not confirmed
	stateKept     = "k" // without its holder
	stateReserved = "r" // by a person
	stateDisabled = "o" // nobody's: its resource is out of service
	stateSetAside = "d" // after it expired, for the lock delay
)

// Words of a request.
const (
	policyBackfill      = "C" // another letter for every revision of its rules, so that no two serve one line
	policyFIFO          = "f"
	policyFirstBackfill = "b" // who is let past others by the order of the line, and never later than the shadow time
	policySoonBackfill  = "B" // as now, with promises that depend on how far away the shadow time is
	howWait             = "w" // in line
	howTry              = "t" // once
	releasePlain        = "-"
	releaseUndo         = "q" // as if it had never been

	choiceRandom   = "r"
	choiceInOrder  = "o"
	choiceLeastUse = "l"
)

func duration(d time.Duration) string { return strconv.FormatInt(d.Microseconds(), 10) }

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

func quoted(letter string) string { return "'" + letter + "'" }

var inCapitals = regexp.MustCompile(`\b[A-Z][A-Z_]*[A-Z]\b`)

// withConstants puts the values in place of the names.
func withConstants(source string) string {
	return inCapitals.ReplaceAllStringFunc(source, func(name string) string {
		if v, ok := constants[name]; ok {
			return v
		}
		return name
	})
}
