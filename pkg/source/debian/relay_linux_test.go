// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/netfault"
	"github.com/carosio/carosbuild/pkg/source/debian/debtest"
	"github.com/carosio/carosbuild/pkg/source/debian/signed"
	"github.com/carosio/carosbuild/pkg/tooltest"

	"golang.org/x/sys/unix"
)

const secret = "s3cr3t"

// basic is the header for user u with the secret.
var basic = "Basic " + base64.StdEncoding.EncodeToString([]byte("u:"+secret))

// fakeProxy is a proxy that requires the secret.
func fakeProxy(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Header.Get("Proxy-Authorization") != basic {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		if q.Method != http.MethodConnect {
			fmt.Fprintf(w, "%s of %s", q.Method, q.URL)
			return
		}
		server, err := net.Dial("tcp", q.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer server.Close()
		client, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer client.Close()
		_, _ = io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n")
		go func() { _, _ = io.Copy(server, client); server.Close() }()
		_, _ = io.Copy(client, server)
	}))
	t.Cleanup(s.Close)
	return s
}

func startRelay(t *testing.T, h Host) *Relay {
	t.Helper()
	r, err := h.StartRelay(t.Context())
	must(t, err)
	t.Cleanup(func() { must(t, r.Close()) })
	return r
}

// through requests an address through a proxy.
func through(t *testing.T, proxy, address string, transport *http.Transport) string {
	t.Helper()
	u, err := url.Parse(proxy)
	must(t, err)
	transport.Proxy = http.ProxyURL(u)
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Get(address)
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	must(t, err)
	return fmt.Sprint(answer.StatusCode, " ", strings.TrimSpace(string(body)))
}

func TestRelayAddsThePasswordOfTheProxy(t *testing.T) {
	upstream := fakeProxy(t)
	withLogin := strings.Replace(upstream.URL, "://", "://u:"+secret+"@", 1)
	h, err := ReadHost(t.TempDir(), func(n string) string {
		return map[string]string{"http_proxy": withLogin, "https_proxy": withLogin}[n]
	})
	must(t, err)
	if !h.NeedsRelay() {
		t.Fatal("a proxy with a password needs no relay")
	}
	r := startRelay(t, h)
	if got, want := through(t, r.Address(), "http://mirror.example/debian/x", &http.Transport{}), "200 GET of http://mirror.example/debian/x"; got != want {
		t.Errorf("http: got %s, want %s", got, want)
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "sealed") }))
	t.Cleanup(server.Close)
	trusting := server.Client().Transport.(*http.Transport).Clone()
	if got, want := through(t, r.Address(), server.URL, trusting), "200 sealed"; got != want {
		t.Errorf("https: got %s, want %s", got, want)
	}
	stranger := strings.Replace(r.Address(), "carosbuild:", "carosbuild:x", 1)
	if got := through(t, stranger, "http://mirror.example/", &http.Transport{}); !strings.HasPrefix(got, "407") {
		t.Errorf("without the word of the run: got %s, want 407", got)
	}
	must(t, r.Close())
	if got := through(t, r.Address(), "http://mirror.example/", &http.Transport{}); !strings.Contains(got, "refused") {
		t.Errorf("after the end: got %s", got)
	}
}

// A mirror with a password that uses TLS has a plain HTTP address in steps; the
// relay converts it.
func TestRelayReachesASealedMirror(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		switch {
		case q.Header.Get("Authorization") != basic || q.Header.Get("Proxy-Authorization") != "":
			w.WriteHeader(http.StatusUnauthorized)
		case q.URL.Path == "/debian/old":
			http.Redirect(w, q, "https://"+q.Host+"/debian/new", http.StatusFound)
		default:
			fmt.Fprint(w, q.URL.Path)
		}
	}))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "https://")
	root := t.TempDir()
	writeFiles(t, root, map[string]string{"etc/apt/sources.list": "deb https://u:" + secret + "@" + host + "/debian sid main\n"})
	h, err := ReadHost(root, func(string) string { return "" })
	must(t, err)
	r := startRelay(t, h)
	r.out = loginTransport{server.Client().Transport, h.logins}
	for _, name := range []string{"new", "old"} {
		if got, want := through(t, r.Address(), "http://"+host+"/debian/"+name, &http.Transport{}), "200 /debian/new"; got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

// Servers that need no password on this host are not reached through the relay.
func TestRelayIsNoOpenProxy(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("was reached") }))
	t.Cleanup(server.Close)
	r := startRelay(t, Host{logins: []login{{"https", "m.example", "/debian", url.UserPassword("u", secret)}}})
	for _, address := range []string{"http://other.example/", strings.Replace(server.URL, "https", "http", 1), "http://m.example/other", server.URL} {
		if got := through(t, r.Address(), address, &http.Transport{}); !strings.HasPrefix(got, "502") && !strings.Contains(got, "Bad Gateway") {
			t.Errorf("%s: got %s", address, got)
		}
	}
}

// locked makes a mirror require the secret.
func (r *fakeRepo) locked() {
	r.before = func(w http.ResponseWriter, q *http.Request) bool {
		if q.Header.Get("Authorization") == basic {
			return false
		}
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}
}

// A mirror of the host that needs a password is read with it, and the password
// appears nowhere else: neither in stored files nor in what steps get. The real apt
// reads the mirror with the files of a step.
func TestPasswordsOfMirrors(t *testing.T) {
	r := newRepo(t)
	r.suite(suiteSpec{}, debtest.Base()...)
	r.locked()
	root := t.TempDir()
	bare := r.server.URL + "/debian"
	for name, files := range map[string]map[string]string{
		"in the address": {"etc/apt/sources.list": "deb " + strings.Replace(bare, "://", "://u:"+secret+"@", 1) + " sid main\n"},
		"in auth.conf": {
			"etc/apt/sources.list":         "deb " + bare + " sid main\n",
			"etc/apt/auth.conf.d/own.conf": "# mine\nmachine " + bare + "\n login u password " + secret + "\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			root = t.TempDir()
			writeFiles(t, root, files)
			h, err := ReadHost(root, func(string) string { return "" })
			must(t, err)
			if h.Mirror != bare {
				t.Errorf("got the mirror %s", h.Mirror)
			}
			b := Bootstrap{Suite: "sid", Arch: "amd64", Keyring: r.keyring}
			f := r.fetcher(t)
			f.HTTP = h.HTTPClient()
			res, err := f.Resolve(t.Context(), b, h, testNow)
			must(t, err)
			must(t, f.Fetch(t.Context(), res))
			relay := startRelay(t, h)
			step, err := b.AptFiles(h, nil, relay.Address())
			must(t, err)
			stored, err := json.Marshal([]any{res, res.Lock(b), step})
			must(t, err)
			if strings.Contains(string(stored), secret) {
				t.Errorf("the password is in %s", stored)
			}
			aptUpdate(t, step, r.keyring)
		})
	}
}

// aptUpdate has the real apt read the mirrors with the files of a step.
func aptUpdate(t *testing.T, step StepFiles, keyring string) {
	t.Helper()
	apt := tooltest.Find(t, "apt-get")
	dir := t.TempDir()
	for _, d := range []string{"lists/partial", "cache/archives/partial", "parts"} {
		must(t, os.MkdirAll(filepath.Join(dir, d), 0o755))
	}
	conf := step.Files[AptConfig]
	for target, source := range step.Dirs {
		step.Files[RunDir+"/sources.list"] = strings.ReplaceAll(step.Files[RunDir+"/sources.list"], "file:"+target+" ", "file:"+source+" ")
	}
	if script := step.Files[aptMethod]; script != "" {
		for target, source := range step.Dirs {
			script = strings.ReplaceAll(script, "from="+target+"/", "from="+source+"/")
		}
		must(t, os.WriteFile(filepath.Join(dir, "method"), []byte(script), 0o755))
		conf = strings.ReplaceAll(conf, aptMethod, filepath.Join(dir, "method"))
	}
	must(t, os.WriteFile(filepath.Join(dir, "sources.list"), []byte(step.Files[RunDir+"/sources.list"]), 0o644))
	conf = strings.Replace(conf, RunDir+"/sources.list", dir+"/sources.list", 1)
	conf += fmt.Sprintf(`Dir::Etc::Parts "%[1]s/parts"; Dir::Etc::Main "/nonexistent"; Dir::Etc::sourceparts "%[1]s/parts";
Dir::Etc::trusted "%[2]s"; Dir::Etc::trustedparts "%[1]s/parts"; Dir::State::lists "%[1]s/lists"; Dir::Cache "%[1]s/cache";
APT::Sandbox::User ""; APT::Architecture "amd64"; APT::Architectures "amd64"; Acquire::Languages "none"; APT::Get::AllowUnauthenticated "false";
`, dir, keyring)
	must(t, os.WriteFile(filepath.Join(dir, "apt.conf"), []byte(conf), 0o644))
	cmd := exec.CommandContext(t.Context(), apt, "update", "-o", "APT::Update::Error-Mode=any")
	cmd.Env = []string{"APT_CONFIG=" + filepath.Join(dir, "apt.conf"), "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("apt-get update: %v\n%s\n%s", err, out, conf)
	}
}

// Invalid addresses with a password are reported without it.
func TestMessagesHaveNoPassword(t *testing.T) {
	for _, address := range []string{"u:" + secret + "@m.example", "ftp://u:" + secret + "@m.example", "http://u:" + secret + "@", "http://u:" + secret + "@m.example/a b", "http://u:" + secret + "%zz@m.example/"} {
		h, err := ReadHost(t.TempDir(), func(n string) string { return map[string]string{EnvMirror: address}[n] })
		must(t, err)
		for _, b := range []Bootstrap{{Suite: "sid"}, {Suite: "sid", Mirror: address}} {
			f := &Fetcher{Cache: t.TempDir(), Backoff: 1, HTTP: h.HTTPClient()}
			if _, err := f.Resolve(t.Context(), b, h, testNow); err == nil || strings.Contains(err.Error(), secret) {
				t.Errorf("%+v: got %v", b, err)
			}
		}
	}
	h := Host{HTTPProxy: "http://u:" + secret + "@127.0.0.1:1", Keyrings: []string{writeKeyring(t, newKey(t, 0))}, Mirror: "http://m.example"}
	f := &Fetcher{Cache: t.TempDir(), Backoff: 1, HTTP: h.HTTPClient()}
	if _, err := f.Resolve(t.Context(), Bootstrap{Suite: "sid"}, h, testNow); !netfault.Is(err) || strings.Contains(err.Error(), secret) {
		t.Errorf("a proxy that is not there: got %v", err)
	}
}

func TestStepsGetNoPassword(t *testing.T) {
	logins := []login{{"https", "m.example:8443", "/debian", url.UserPassword("u", secret)}}
	for name, c := range map[string]struct {
		h     Host
		relay string
		want  []string // lines about proxies
		list  string
	}{
		"a proxy without": {
			Host{HTTPProxy: "http://p.example:3142"},
			"",
			[]string{`Acquire::http::Proxy "http://p.example:3142";`},
			DefaultMirror,
		},
		"a proxy with": {
			Host{HTTPProxy: "http://u:" + secret + "@p.example:3142", HTTPSProxy: "http://q.example"},
			"http://relay",
			[]string{`Acquire::http::Proxy "http://relay";`, `Acquire::https::Proxy "http://q.example";`},
			DefaultMirror,
		},
		"without a scheme":    {Host{HTTPProxy: "u:" + secret + "@p.example:3142"}, "http://relay", []string{`Acquire::http::Proxy "http://relay";`}, DefaultMirror},
		"no relay":            {Host{HTTPProxy: "http://u:" + secret + "@p.example:3142"}, "", nil, DefaultMirror},
		"cannot be relayed":   {Host{HTTPProxy: "socks5h://u:" + secret + "@p.example:3142"}, "http://relay", nil, DefaultMirror},
		"cannot be read":      {Host{HTTPSProxy: "http://u:" + secret + "%@p.example"}, "http://relay", nil, DefaultMirror},
		"a mirror with":       {Host{Mirror: "https://m.example:8443/debian", logins: logins}, "http://relay", []string{`Acquire::http::Proxy::m.example "http://relay";`}, "http://m.example:8443/debian"},
		"a mirror, direct":    {Host{Mirror: "https://m.example:8443/debian", logins: logins, NoProxy: []string{"m.example"}}, "http://relay", []string{`Acquire::http::Proxy::m.example "http://relay";`}, "http://m.example:8443/debian"},
		"a mirror, no relay":  {Host{Mirror: "https://m.example:8443/debian", logins: logins}, "", nil, "http://m.example:8443/debian"},
		"another directory":   {Host{Mirror: "https://m.example:8443/debian2", logins: logins}, "http://relay", nil, "https://m.example:8443/debian2"},
		"a mirror of another": {Host{Mirror: "https://n.example/debian", logins: logins}, "http://relay", nil, "https://n.example/debian"},
	} {
		t.Run(name, func(t *testing.T) {
			step, err := Bootstrap{Suite: "sid"}.AptFiles(c.h, nil, c.relay)
			must(t, err)
			var got []string
			for line := range strings.Lines(step.Files[AptConfig]) {
				if strings.Contains(line, "Proxy") {
					got = append(got, strings.TrimSpace(line))
				}
			}
			if diff := cmp.Diff(got, c.want); diff != "" {
				t.Errorf("proxies (got, want):\n%s", diff)
			}
			if got, want := step.Files[RunDir+"/sources.list"], "deb "+c.list+" sid main\n"; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			if strings.Contains(fmt.Sprint(step), secret) {
				t.Errorf("the password is in %v", step)
			}
			if told := len(c.h.Withheld()) > 0; told != slices.Contains([]string{"cannot be relayed", "cannot be read"}, name) {
				t.Errorf("left out is %v", c.h.Withheld())
			}
		})
	}
}

// A step can neither get the password nor use it for requests that apt does not
// make.
func TestRelayOnlyReads(t *testing.T) {
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		seen = append(seen, q.Method+" "+q.URL.Path)
		fmt.Fprint(w, q.Header.Get("Authorization")) // as a server answers TRACE
	}))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	r := startRelay(t, Host{logins: []login{{"http", host, "/debian", url.UserPassword("u", secret)}}})
	proxy, err := url.Parse(r.Address())
	must(t, err)
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}
	for _, tt := range []struct {
		method, path string
		passes       bool
	}{
		{"GET", "/debian/x", true},
		{"TRACE", "/debian/x", false},
		{"PUT", "/debian/x", false},
		{"DELETE", "/debian/x", false},
		{"GET", "/debian/../private/y", false},
		{"GET", "/debian/%2e%2e/private/z", false},
	} {
		seen = nil
		q, err := http.NewRequestWithContext(t.Context(), tt.method, server.URL+tt.path, http.NoBody)
		must(t, err)
		q.URL.RawPath = tt.path
		answer, err := client.Do(q)
		must(t, err)
		body, err := io.ReadAll(answer.Body)
		must(t, err)
		answer.Body.Close()
		if (len(seen) == 1) != tt.passes || !tt.passes && strings.Contains(string(body), "Basic") {
			t.Errorf("%s %s: the mirror saw %q, the step got %q", tt.method, tt.path, seen, body)
		}
	}
}

// A mirror on the network can redirect to a mirror, but not to a file of this host.
func TestNoRedirectToFiles(t *testing.T) {
	server := httptest.NewServer(http.RedirectHandler("file:///etc/hostname", http.StatusFound))
	t.Cleanup(server.Close)
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
	must(t, err)
	if answer, err := (Host{}).HTTPClient().Do(q); err == nil || !strings.Contains(err.Error(), "redirect to file:///etc/hostname") {
		t.Errorf("got %v, %v", answer, err)
	}
}

// A declaration may name anything as its keyring.
func TestKeyringIsARegularFile(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	must(t, unix.Mkfifo(pipe, 0o600))
	for _, name := range []string{"/dev/zero", pipe, t.TempDir()} {
		if _, err := signed.ReadKeyring([]string{name}); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
