package live

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
	"github.com/resourcelocker/resourcelocker/lockcore/storeurl"
)

// chromium starts a browser without a window.
func chromium(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		const how = "needs a browser: apt-get install chromium"
		if os.Getenv("CI") != "" {
			t.Fatal(how)
		}
		t.Skip(how)
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.WSURLReadTimeout(time.Minute), chromedp.Flag("disable-dev-shm-usage", true))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	return ctx
}

// A tab is a page in a browser.
type tab struct {
	t   *testing.T
	ctx context.Context
}

func (p *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	require.NoError(p.t, chromedp.Do(p.ctx, actions...))
}

// get is the value of an expression in the page.
func get[T any](p *tab, expression string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	require.NoError(p.t, err, expression)
	return v
}

// script switches the scripts of pages on or off.
func script(on bool) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (v chromedp.Void, err error) {
		_, err = cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
		return v, err
	}
}

// dark makes pages dark.
func dark(ctx context.Context, t *chromedp.Target) (v chromedp.Void, err error) {
	_, err = cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}})
	return v, err
}

// until waits until an expression is true, which it becomes by a change of the page.
func (p *tab) until(what string) {
	p.t.Helper()
	limited, cancel := context.WithTimeout(p.ctx, time.Minute) // it is no measure of anything
	defer cancel()
	for {
		_, err := chromedp.Run(limited, chromedp.Evaluate[bool](`new Promise((done) => {
			const look = () => { try { if (`+what+`) { o.disconnect(); done(true); } } catch {} };
			const o = new MutationObserver(look);
			o.observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
			look();
		})`, chromedp.EvalAwaitPromise))
		switch {
		case err == nil:
			return
		case limited.Err() != nil:
			p.t.Fatalf("%v: waiting for %s\n%s", err, what, get[string](p, `document.body.innerText`))
		}
		// The page gave way to the next one, as it does after a form.
	}
}

// says is an expression that a row of a table shows a text.
func says(key, text string) string {
	return fmt.Sprintf(`[...document.querySelectorAll('tr')].some((r) => r.dataset.k === %q && r.innerText.includes(%q))`, key, text)
}

// axe finds what a page lacks for those who cannot see it, or use no mouse. CI gets the
// script from the npm registry.
func (p *tab) axe(source, page string) {
	p.t.Helper()
	if source == "" {
		return
	}
	p.run(chromedp.Evaluate[chromedp.Void](source))
	found := get[[]byte](p, `axe.run().then((r) => r.violations.map((v) => [v.id, v.help, v.nodes.map((n) => n.html)]))`)
	assert.Equal(p.t, "[]", string(found), page)
}

func axeScript(t *testing.T) string {
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Log("axe was not run:", err)
		return ""
	}
	path := filepath.Join(dir, "rtest-axe", "package", "axe.min.js")
	data, err := os.ReadFile(path)
	if err != nil {
		const how = "axe was not run: mkdir -p ~/.cache/rtest-axe && cd ~/.cache/rtest-axe && npm pack axe-core@4.14.1 && tar xzf axe-core-*.tgz"
		t.Log(how)
		return ""
	}
	return string(data)
}

// A browser sees what happens in the store, without a reload and without a script.
func TestBrowser(t *testing.T) {
	ctx := chromium(t)
	redis := redistest.Start(t)
	store, err := storeurl.Open(t.Context(), "redis://"+redis.Addr)
	require.NoError(t, err)
	defer store.Close()
	record := &register{}
	l := newLabOn(t, store, Options{Access: &Access{TokenFile: tokens(t), Record: record.record}}, Item{Key: "board-1", Pool: "boards"}, Item{Key: "board-2", Pool: "boards"}, Item{Key: "board 3/x", Pool: "boards"})
	http := httptest.NewUnstartedServer(l.server)
	l.server.Harden(http.Config)
	http.Start()
	defer http.Close()
	defer l.server.Close()
	axe := axeScript(t)

	p := &tab{t, ctx}
	p.run(chromedp.EmulateViewport(1400, 900), chromedp.Navigate(http.URL))
	p.until(says("board-1", "free"))
	p.run(chromedp.Evaluate[chromedp.Void](`window.same = true`))

	lease := l.hold("TestBoot", "board-1")
	p.until(says("board-1", "held") + " && " + says("board-1", "TestBoot"))
	l.wait("first", each("board-1")...)
	l.wait("second", each("board-1")...)
	p.until(`document.querySelector('#line tr[data-k="second"] td').innerText === '2'`)
	require.NoError(t, store.Withdraw(t.Context(), "first"))
	p.until(`document.querySelector('#line tr[data-k="second"] td').innerText === '1'`)
	require.NoError(t, store.Withdraw(t.Context(), "second"))
	grey := func(want string) string {
		return fmt.Sprintf(`(getComputedStyle(document.querySelector('tr.disabled')).backgroundColor === 'rgb(228, 228, 228)') === %s`, want)
	}
	_, err = l.locker.Disable(t.Context(), lockcore.Outage{Keys: []string{"board-2"}, Reason: "smoke", Owner: lockcore.Owner{User: "bob"}})
	require.NoError(t, err)
	p.until(says("board-2", "disabled") + " && " + grey("true"))
	require.NoError(t, lease.Release(t.Context()))
	p.until(says("board-1", "free"))
	assert.True(t, get[bool](p, `window.same === true`), "all of that without a reload")
	p.axe(axe, "now")

	// A reservation by a form.
	p.run(chromedp.Navigate(http.URL+"/login"), chromedp.SendKeys(chromedp.CSS(`input[name=token]`), annaToken), chromedp.Click(chromedp.CSS(`main button`)))
	p.until(`document.querySelector('.user')`)
	p.run(chromedp.Navigate(http.URL + "/resource?key=" + escape("board 3/x")))
	p.axe(axe, "resource")
	p.run(chromedp.SendKeys(chromedp.CSS(`form[action=reserve] input[name=reason]`), "antenna"), chromedp.Click(chromedp.CSS(`form[action=reserve] button`)))
	p.until(`document.querySelector('.standing').innerText.startsWith('Reserved by anna@lab')`)
	p.run(chromedp.Reload())
	p.until(`document.querySelector('.standing').innerText.startsWith('Reserved by anna@lab') && document.body.innerText.includes('antenna')`)
	assert.Equal(t, "anna@lab reserve board 3/x", record.list())

	for _, path := range []string{"/login", "/nothing", "/request?id=x", "/run?id=x"} {
		p.run(chromedp.Navigate(http.URL + path))
		p.axe(axe, path)
	}
	p.run(chromedp.EmulateViewport(400, 800), chromedp.Navigate(http.URL))
	p.axe(axe, "narrow")
	assert.False(t, get[bool](p, `document.documentElement.scrollWidth > 400`), "a narrow screen need not scroll sideways")
	p.run(dark)
	p.axe(axe, "dark")

	// Without a script, the same by a reload.
	p.run(script(false))
	shows := func(want ...string) {
		t.Helper()
		p.run(chromedp.Navigate(http.URL))
		page, err := chromedp.Run(p.ctx, chromedp.OuterHTML(chromedp.CSS("html")))
		require.NoError(t, err)
		for _, w := range want {
			assert.Contains(t, page, w)
		}
	}
	shows("anna@lab", ">disabled<", "Reload")
	l.hold("TestPair", "board-1")
	l.server.poll.soon()
	shows("TestPair")
	p.run(script(true))

	// The store goes away.
	p.run(chromedp.Navigate(http.URL))
	p.until(says("board-1", "TestPair"))
	redis.Kill()
	p.until(`document.querySelector('.trouble').innerText.includes('The store cannot be asked since')`)
	p.axe(axe, "trouble")
	text := get[string](p, `document.body.innerText`)
	assert.True(t, strings.Contains(text, "TestPair") && strings.Contains(text, "seen at"), text)
}
