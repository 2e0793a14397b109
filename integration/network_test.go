// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// answer listens, and says a word to everybody.
func answer(t *testing.T, kind, address, word string) string {
	t.Helper()
	l, err := net.Listen(kind, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprintln(c, word)
			c.Close()
		}
	}()
	return l.Addr().String()
}

// closable says what keeps pasta from running here, "" for nothing.
func closable() string {
	if _, err := exec.LookPath("pasta"); err != nil {
		return "pasta is not installed"
	}
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		return "pasta cannot open /dev/net/tun"
	}
	f.Close()
	return ""
}

const shared = "steps share the host's network, its loopback included"

// TestStepNetwork: without being told otherwise, a step does not reach the host's loopback
// and abstract sockets where pasta can run; elsewhere one line says that it does. Of a proxy
// on the loopback, it reaches that port. The result is the same.
func TestStepNetwork(t *testing.T) {
	w := newWorld(t)
	loop := answer(t, "tcp", "127.0.0.1:0", "REACHED-LOOPBACK")
	_, port, _ := net.SplitHostPort(loop)
	proxy := answer(t, "tcp", "127.0.0.1:0", "REACHED-PROXY")
	_, proxyPort, _ := net.SplitHostPort(proxy)
	abstract := fmt.Sprintf("@carosbuild-test-%d", os.Getpid())
	answer(t, "unix", abstract, "")
	script := fmt.Sprintf("for p in %s %s; do nc -w 1 127.0.0.1 $p </dev/null; done; nc -w 1 10.0.2.2 %[1]s </dev/null; cat /proc/net/unix; ip -o link | cut -d: -f2; true", port, proxyPort)
	w.file(t, "a.xml", "<redo>"+base(t)+`<buildstage id="s"><prestage>base</prestage><action><![CDATA[RUN `+script+`]]></action></buildstage>
		<buildstage id="none" network="none"><prestage>base</prestage><action><![CDATA[RUN `+script+`]]></action></buildstage></redo>`)
	blocked := closable()
	for _, sandbox := range []string{"userns", "single-id"} {
		run := func(args ...string) result {
			r := w.carosbuild(t, append([]string{"--progress=plain", "--sandbox=" + sandbox}, args...)...)
			if r.status != 0 {
				t.Fatalf("%s %q: status %d\n%s", sandbox, args, r.status, r.stderr)
			}
			return r
		}
		saw := func(r result) string {
			var words []string
			for _, word := range []string{"REACHED-LOOPBACK", "REACHED-PROXY", abstract} {
				if strings.Contains(r.stdout+r.stderr, "| "+word) || strings.Contains(r.stdout+r.stderr, " "+word+"\n") || strings.HasPrefix(r.stdout, word) {
					words = append(words, strings.TrimSuffix(word, fmt.Sprintf("-%d", os.Getpid())))
				}
			}
			return strings.Join(words, " ")
		}
		const all = "REACHED-LOOPBACK REACHED-PROXY @carosbuild-test"
		want, lines := "", 0
		if blocked != "" {
			want, lines = all, 1
		}
		r := run("a.xml", "-B", "net-"+sandbox, "-t", "s")
		if got := saw(r); got != want || strings.Count(r.stderr, shared) != lines || !strings.Contains(r.stderr, blocked) {
			t.Errorf("%s, auto: a step saw %q, want %q:\n%s", sandbox, got, want, r.stderr)
		}
		if r = run("a.xml", "--network=host", "-t", "s"); !strings.Contains(r.stderr, "nothing to do") {
			t.Errorf("%s: the host's network makes another step of it:\n%s", sandbox, r.stderr)
		}
		if r = run("a.xml", "--network=host", "--no-cache", "-t", "s"); saw(r) != all || strings.Contains(r.stderr, shared) {
			t.Errorf("%s, host: a step saw %q:\n%s", sandbox, saw(r), r.stderr)
		}
		if r = run("a.xml", "--network=host", "--no-cache", "-t", "none"); saw(r) != "" || strings.Contains(r.stderr, "eth0") {
			t.Errorf("%s: a stage without a network saw %q:\n%s", sandbox, saw(r), r.stderr)
		}
		if r = run("a.xml", "--network=none", "-t", "s"); saw(r) != "" || strings.Contains(r.stderr, shared) {
			t.Errorf("%s, none: a step saw %q:\n%s", sandbox, saw(r), r.stderr)
		}
		if blocked != "" {
			continue
		}
		w.setenv("http_proxy=http://" + proxy)
		if r = run("a.xml", "--no-cache", "-t", "s"); saw(r) != "REACHED-PROXY" {
			t.Errorf("%s, with a proxy on the loopback: a step saw %q:\n%s", sandbox, saw(r), r.stderr)
		}
		w.setenv("http_proxy=http://127.0.0.2:" + proxyPort)
		if r = run("a.xml", "--no-cache", "-t", "s"); saw(r) != all || strings.Count(r.stderr, shared) != 1 || !strings.Contains(r.stderr, "127.0.0.2:"+proxyPort+" would not be reached") {
			t.Errorf("%s, with a proxy that cannot be let through: a step saw %q:\n%s", sandbox, saw(r), r.stderr)
		}
		w.setenv("http_proxy=")
	}
}

// TestStepCertificates: a step trusts the authority that the caller names, of which neither
// its layer nor its key has anything; a private key is refused.
func TestStepCertificates(t *testing.T) {
	w := newWorld(t)
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	file := w.file(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	w.file(t, "a.xml", "<redo>"+base(t)+`<buildstage id="s"><prestage>base</prestage><action>ENV CURL_CA_BUNDLE=/mine</action>
		<action>RUN env; cat "$SSL_CERT_FILE" || true; mkdir -p /x</action></buildstage></redo>`)
	r := w.ok(t, program(t), "--progress=plain", "a.xml", "-B", "ca", "-t", "s", "--ca-certificates", file)
	for _, want := range []string{"SSL_CERT_FILE=/run/carosbuild/ca-certificates.crt", "GIT_SSL_CAINFO=/run/", "CURL_CA_BUNDLE=/mine", "-----BEGIN CERTIFICATE-----"} {
		if !strings.Contains(r.stderr, "| "+want) {
			t.Errorf("the step lacks %s:\n%s", want, r.stderr)
		}
	}
	if r = w.ok(t, program(t), "a.xml", "-t", "s"); !strings.Contains(r.stderr, "nothing to do") {
		t.Errorf("without them it is another step:\n%s", r.stderr)
	}
	r = w.ok(t, program(t), "shell", "ca:s", "sh", "-c", "env; find / -xdev -name '*ca-cert*'; ls -A /run; true")
	if strings.Contains(r.stdout, "carosbuild") || strings.Contains(r.stdout, "SSL_CERT_FILE") {
		t.Errorf("they are part of the stage: %s", r.stdout)
	}
	w.file(t, "key.pem", "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n")
	w.file(t, "empty.pem", "nothing\n")
	for name, want := range map[string]string{"key.pem": "private key", "empty.pem": "no certificate", "none.pem": "no such file"} {
		if r := w.carosbuild(t, "a.xml", "-t", "s", "--ca-certificates", filepath.Join(w.work, name)); r.status != 2 || !strings.Contains(r.stderr, want) {
			t.Errorf("%s: status %d\n%s", name, r.status, r.stderr)
		}
	}
}

// TestStepProxies: steps get the caller's proxies, but no password of one, and no layer has
// any of it.
func TestStepProxies(t *testing.T) {
	w := newWorld(t)
	const secret = "s3cr3t-of-the-proxy"
	w.env = append(w.env, "http_proxy=http://user:"+secret+"@127.0.0.1:9", "https_proxy=http://proxy.example:3128", "no_proxy=a.example")
	w.file(t, "a.xml", "<redo>"+base(t)+`<buildstage id="s"><prestage>base</prestage><action>RUN env; cat /proc/self/environ /proc/*/cmdline /run/*/* || true</action></buildstage>
		<buildstage id="none" network="none"><prestage>base</prestage><action>RUN env</action></buildstage></redo>`)
	r := w.ok(t, program(t), "--progress=plain", "a.xml", "-B", "p", "-t", "s", "-t", "none")
	text := ""
	for line := range strings.Lines(r.stderr) {
		if strings.Contains(line, "[s]") {
			text += line
		} else if strings.Contains(line, "[none]") && strings.Contains(line, "| http") {
			t.Errorf("a step without a network has a proxy: %s", line)
		}
	}
	if strings.Contains(r.stdout+r.stderr, secret) || !strings.Contains(text, "| http_proxy=http://carosbuild:") ||
		!strings.Contains(text, "| https_proxy=http://proxy.example:3128\n") || !strings.Contains(text, "| no_proxy=a.example\n") {
		t.Errorf("proxies of a step:\n%s", r.stderr)
	}
	w.env = append(w.env, "http_proxy=", "https_proxy=", "no_proxy=")
	r = w.ok(t, program(t), "--progress=plain", "a.xml", "-t", "s")
	if !strings.Contains(r.stderr, "nothing to do") {
		t.Errorf("without a proxy it is another step:\n%s", r.stderr)
	}
	if r = w.ok(t, program(t), "shell", "p:s", "env"); strings.Contains(r.stdout, "proxy") {
		t.Errorf("they are part of the stage: %s", r.stdout)
	}
}

// TestStubResolver: a resolver on the host's loopback answers steps that do not reach the
// loopback.
func TestStubResolver(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only the superuser has another resolv.conf and a port below 1024")
	}
	if why := closable(); why != "" {
		missing(t, why)
	}
	stub, err := net.ListenPacket("udp", "127.0.0.53:53")
	if err != nil {
		t.Skip("this host has such a resolver: ", err)
	}
	defer stub.Close()
	go func() {
		b := make([]byte, 512)
		for {
			n, from, err := stub.ReadFrom(b)
			if err != nil {
				return
			}
			a := append([]byte{}, b[:n]...)
			a[2], a[3], a[7] = 0x81, 0x80, 1 // an answer, with one address
			a = append(a, 0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 77)
			_, _ = stub.WriteTo(a, from)
		}
	}()
	w := newWorld(t)
	conf := w.file(t, "resolv.conf", "nameserver 127.0.0.53\noptions edns0\n")
	w.file(t, "a.xml", "<redo>"+base(t)+`<buildstage id="s"><prestage>base</prestage><action>RUN mkdir -p /etc</action></buildstage></redo>`)
	w.ok(t, program(t), "a.xml", "-B", "dns", "-t", "s")
	r := w.ok(t, "unshare", "-m", "sh", "-c", `mount --bind "$0" "$(readlink -f /etc/resolv.conf)" && exec "$@"`, conf, program(t), "shell", "dns:s", "sh", "-c", "cat /etc/resolv.conf; nslookup -type=a any.example")
	if !strings.Contains(r.stdout, "nameserver 10.0.2.3\n") || !strings.Contains(r.stdout, "192.0.2.77") || strings.Contains(r.stderr, shared) {
		t.Errorf("names in a step:\n%s%s", r.stdout, r.stderr)
	}
}
