package quorumstore

import (
	"testing"

	"github.com/resourcelocker/resourcelocker/lockcore/internal/modes"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
)

// TestScriptsKnowWhichModesGoTogether compares the scripts' fits to the rule in
// Go, case by case.
func TestScriptsKnowWhichModesGoTogether(t *testing.T) {
	server := redistest.Start(t)
	common, err := luaFiles.ReadFile("lua/common.lua")
	if err != nil {
		t.Fatal(err)
	}
	asks := string(common) + "\nreturn fits(ARGV[1], ARGV[2]) and 1 or 0"
	for _, row := range modes.Table() {
		var held []unit
		for _, m := range row.Held {
			held = append(held, unit{m, "holder"})
		}
		got := server.Do("EVAL", asks, 1, "held", row.Asked.String(), encode(held))
		if want := int64(min(row.Free, 1)); got != want {
			t.Errorf("beside %v, %v fits: %d, want %d", row.Held, row.Asked, got, want)
		}
	}
}
