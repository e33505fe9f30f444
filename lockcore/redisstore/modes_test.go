package redisstore

import (
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore/internal/modes"
)

// The rule of which modes go together stands in Go. The scripts have it once, in
// M.free and M.joinable, and are compared to it case by case: half of each case held,
// and half of it reserved, in every way to cut it in two.
func TestScriptsKnowWhichModesGoTogether(t *testing.T) {
	t.Parallel()
	c := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	defer c.Close()
	sc := operation(`
local held, reserved = {}, {}
for w in string.gmatch(ARGV[2], '%S+') do M.plus(held, 1, w) end
for w in string.gmatch(ARGV[3], '%S+') do M.plus(reserved, 1, w) end
local holds = { holds = {} }
for w in string.gmatch(ARGV[2], '%S+') do table.insert(holds.holds, { mode = w, units = 1 }) end
M.count(holds)
local u = held[1] or holds
for _, name in ipairs({ 'x', 's', 'n', 'm' }) do
  if u[name] ~= holds[name] then return redis.error_reply('M.count and M.plus differ in ' .. name) end
end
return { M.free({ mode = ARGV[1], seats = M.seats_of(ARGV[1]) }, u, reserved[1]), M.joinable(u, reserved[1]) and 1 or 0 }
`)
	words := func(ms []modes.Mode) string {
		var out []string
		for _, m := range ms {
			out = append(out, m.String())
		}
		return strings.Join(out, " ")
	}
	for _, row := range modes.Table() {
		for cut := range len(row.Held) + 1 {
			held, reserved := row.Held[:cut], row.Held[cut:]
			got, err := c.Eval(t.Context(), sc.text.(string), []string{"all", "due"}, row.Asked.String(), words(held), words(reserved)).Int64Slice()
			if err != nil {
				t.Fatal(err)
			}
			if int(got[0]) != row.Free {
				t.Errorf("beside %v held and %v reserved, %d units are free for %v, want %d", held, reserved, got[0], row.Asked, row.Free)
			}
			if (got[1] == 1) != row.Joinable {
				t.Errorf("whether others could join %v held and %v reserved: %d, want %v", held, reserved, got[1], row.Joinable)
			}
		}
	}
}

// operation is a script that a test writes.
func operation(text string) *script {
	begin, history, entries, common := pieces("solo")
	return newScript(begin + history + entries + common + text)
}
