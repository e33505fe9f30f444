package live

import (
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

//go:generate go test -count=1 -run TestScreenshots -screenshots ../../.github

var screenshots = flag.String("screenshots", "", "directory to write pictures of the page to")

// TestScreenshots takes the picture of the README, and others to look at beside it.
func TestScreenshots(t *testing.T) {
	if *screenshots == "" {
		return // there is nothing to test
	}
	ctx := chromium(t)
	for _, n := range []int{5, 200} {
		var items []Item
		for i := range n {
			items = append(items, Item{Key: fmt.Sprint("board-", i+1), Pool: "boards"})
		}
		items = append(items, Item{Key: "rf-chamber", Pool: "chamber"})
		l := newLab(t, Options{Access: &Access{TokenFile: tokens(t), Record: (&register{}).record}}, items...)
		hold := func(test string, expect time.Duration, reqs ...lockcore.Requirement) {
			_, err := l.locker.Acquire(t.Context(), lockcore.Request{Requirements: reqs, TTL: time.Hour, Expect: expect,
				Owner: lockcore.Owner{Test: test, Package: "lab/radio", Host: "ci-7", PID: 4711, Run: "812", URL: "https://ci.example.com/job/812"}})
			require.NoError(t, err)
		}
		hold("TestPairing", 4*time.Minute, each("board-1", "rf-chamber")...)
		hold("TestBoot", 90*time.Second, each("board-2")...)
		for i := range (n - 5) / 3 {
			hold(fmt.Sprintf("TestSoak/%d", i), time.Hour, each(fmt.Sprint("board-", 3*i+6))...)
		}
		_, err := l.locker.Reserve(t.Context(), lockcore.Request{Requirements: each("board-3"), For: 2 * time.Hour, Reason: "antenna swap", Owner: lockcore.Owner{User: "anna@lab"}})
		require.NoError(t, err)
		_, err = l.locker.Disable(t.Context(), lockcore.Outage{Keys: []string{"board-4"}, Reason: "PSU is dead", Owner: lockcore.Owner{User: "bob@lab"}})
		require.NoError(t, err)
		boards := lockcore.Requirement{Name: "boards", Need: 2}
		for i := range 3 {
			boards.Candidates = append(boards.Candidates, lockcore.Candidate{Key: fmt.Sprint("board-", i+1)})
		}
		l.wait("Firmware", boards)
		l.wait("Antenna", append(each("rf-chamber"), each("board-5")...)...)
		http := httptest.NewServer(l.server)
		p := &tab{t, ctx}
		p.run(chromedp.Navigate(http.URL+"/login"), chromedp.SendKeys(chromedp.CSS(`input[name=token]`), annaToken), chromedp.Click(chromedp.CSS(`main button`)))
		p.until(`document.querySelector('.user')`)
		for _, width := range []int64{1400, 400} {
			for name, path := range map[string]string{"serve": "/", "resource": "/resource?key=board-3"} {
				p.run(chromedp.EmulateViewport(width, 900), chromedp.Navigate(http.URL+path), chromedp.WaitReady(chromedp.CSS("main")))
				picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
				require.NoError(t, err)
				dir := filepath.Join(os.TempDir(), "rtest-screenshots")
				if name == "serve" && n == 5 && width == 1400 {
					dir = *screenshots
				} else {
					name = fmt.Sprintf("%s-%d-%d", name, n, width)
				}
				require.NoError(t, os.MkdirAll(dir, 0o755))
				require.NoError(t, os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644))
			}
		}
		http.CloseClientConnections()
		l.server.Close()
		http.Close()
	}
}
