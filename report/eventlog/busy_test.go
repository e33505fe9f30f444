package eventlog_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

func ExampleEvent_SetLine() {
	e := eventlog.Event{Ev: eventlog.Queue, Req: "r1"}
	e.SetLine(&lockcore.BusyError{Position: 2, Blockers: []lockcore.Blocker{
		{Key: "board-1", ID: "r0", Holder: lockcore.Owner{Test: "TestSoak"}, State: "held"},
		{Key: "board-2", ID: "p7", Holder: lockcore.Owner{User: "ann@bench"}, State: "reserved"},
	}})
	for _, b := range e.Blockers {
		line, err := json.Marshal(b)
		fmt.Println(string(line), err)
	}
	// Output:
	// {"key":"board-1","req":"r0","test":"TestSoak"} <nil>
	// {"key":"board-2","req":"p7","user":"ann@bench","state":"reserved"} <nil>
}

func TestSetLine(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("", 3600))
	var e eventlog.Event
	e.SetLine(&lockcore.BusyError{Time: at, Since: at.Add(time.Second), Position: 3, Blockers: []lockcore.Blocker{{
		Key: "k", ID: "i", State: "granted", Since: at.Add(2 * time.Second), Expires: at.Add(3 * time.Second),
		Holder: lockcore.Owner{Run: "r", URL: "u", Package: "p", Test: "t", Host: "h", PID: 4, User: "a"},
	}, {}}})
	at = at.UTC()
	assert.Equal(t, eventlog.Event{Srv: at, Since: at.Add(time.Second), QueuePos: 3, Blockers: []eventlog.Blocker{{
		Key: "k", Req: "i", State: "granted", Since: at.Add(2 * time.Second), Expires: at.Add(3 * time.Second),
		Run: "r", URL: "u", Pkg: "p", Test: "t", Host: "h", PID: 4, User: "a",
	}, {}}}, e)
}
