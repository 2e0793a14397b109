// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/tooltest"
)

// sandbox stands in for the real sandbox: it is run with /bin/sh as root of a user
// and mount namespace. Its arguments are the test binary, the directory of the test
// and the cache's .debs.
const sandbox = `set -eu
PATH=/usr/sbin:/usr/bin:/sbin:/bin
binary=$1 dir=$2 debs=$3
mkdir "$dir/lower" "$dir/upper" "$dir/work" "$dir/root"
mount -t overlay -o "lowerdir=$dir/lower,upperdir=$dir/upper,workdir=$dir/work,volatile" overlay "$dir/root"
CAROSBUILD_TEST_UNPACK=$dir "$binary" -test.run='^TestUnpackHelper$' >/dev/null
root=$dir/root
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for d in null zero full random urandom tty; do : >"$root/dev/$d"; mount --bind "/dev/$d" "$root/dev/$d"; done
ln -s /proc/self/fd "$root/dev/fd"
mkdir -p "$root/run/carosbuild"
mount -t tmpfs tmpfs "$root/run/carosbuild"
cp "$dir"/run/* "$root/run/carosbuild/"
mkdir "$root/run/carosbuild/debs"
mount --bind "$debs" "$root/run/carosbuild/debs"
env -i "$(command -v chroot)" "$root" /bin/sh /run/carosbuild/configure.sh >"$dir/log" 2>&1
env -i "$(command -v chroot)" "$root" /bin/sh /run/carosbuild/install.sh >>"$dir/log" 2>&1
chroot "$root" dpkg-query -W -f '${Package} ${Version} ${Status}\n' >"$dir/packages"
chroot "$root" dpkg --audit >"$dir/audit"
chroot "$root" apt-get check >>"$dir/log" 2>&1
chroot "$root" sh -c 'LC_ALL=C ls -l /usr/bin/passwd /etc/shadow; ls -A /var/log/dpkg.log /usr/sbin/policy-rc.d 2>&1 || :' >"$dir/files"
`

// TestUnpackHelper is not a test: the sandbox runs it to unpack as its root.
func TestUnpackHelper(t *testing.T) {
	dir := os.Getenv("CAROSBUILD_TEST_UNPACK")
	if dir == "" {
		t.Skip("run by TestRealMirror")
	}
	var r Resolution
	data, err := os.ReadFile(filepath.Join(dir, "resolution.json"))
	must(t, err)
	must(t, json.Unmarshal(data, &r))
	cache, err := os.ReadFile(filepath.Join(dir, "cache"))
	must(t, err)
	must(t, (&Fetcher{Cache: string(cache)}).Unpack(t.Context(), &r, filepath.Join(dir, "root")))
}

// TestRealMirror bootstraps from the host's mirror in a user namespace, extra
// packages included, and compares the result with mmdebstrap. It needs a user with
// subordinate ids, or root. make test runs it, go test does not.
func TestRealMirror(t *testing.T) {
	if os.Getenv("CAROSBUILD_NETWORK_TESTS") != "1" {
		t.Skip("it needs a mirror: make network runs it")
	}
	unshare := tooltest.Find(t, "unshare")
	h, err := ReadHost("/", os.Getenv)
	must(t, err)
	// the overlay's upper directory must not be on an overlay itself, as /tmp of a container
	// is
	dir, cache := t.TempDir(), t.TempDir()
	if d := os.Getenv("CAROSBUILD_TEST_CACHE"); d != "" {
		cache = d
	}
	b := Bootstrap{Suite: "bookworm", Packages: []string{"openssh-client", "systemd-sysv"}}
	f := &Fetcher{Cache: cache, HTTP: h.HTTPClient()}
	start := time.Now()
	r, err := f.Resolve(t.Context(), b, h, time.Now())
	must(t, err)
	must(t, f.Fetch(t.Context(), r))
	t.Logf("resolved and fetched %d packages, %d bytes, in %v", len(r.Packages), r.Size(), time.Since(start))

	data, err := json.Marshal(r)
	must(t, err)
	files := map[string]string{
		"resolution.json": string(data), "cache": cache,
		"run/configure.sh": r.ConfigureScript(), "run/install.sh": r.InstallScript(),
	}
	for name, text := range r.InstallFiles() {
		files["run/"+filepath.Base(name)] = text
	}
	writeFiles(t, dir, files)
	namespace := []string{"--mount", "--pid", "--fork"}
	if os.Getuid() != 0 {
		namespace = append(namespace, "--map-auto", "--map-root-user")
	}
	binary, err := os.Executable()
	must(t, err)
	t.Cleanup(func() { // files of subordinate ids have to be removed in the namespace
		_ = exec.Command(unshare, append(namespace, "rm", "-rf", filepath.Join(dir, "upper"), filepath.Join(dir, "work"))...).Run()
	})
	out, err := exec.CommandContext(t.Context(), unshare, append(namespace, "sh", "-c", sandbox, "sandbox", binary, dir, f.DebsDir())...).CombinedOutput()
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		t.Fatalf("%v\n%s\n%s", err, out, log)
	}
	t.Logf("finished after %v", time.Since(start))

	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(dir, name))
		must(t, err)
		return string(data)
	}
	var want []string
	for _, p := range r.Packages {
		want = append(want, p.Name+" "+p.Version+" install ok installed")
	}
	slices.Sort(want)
	got := strings.Split(strings.TrimSpace(read("packages")), "\n")
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("packages: got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if a := read("audit"); a != "" {
		t.Errorf("dpkg --audit: %s", a)
	}
	ls := read("files")
	if !strings.Contains(ls, "-rw-r----- 1 root shadow") || !strings.Contains(ls, "-rwsr-xr-x 1 root root") {
		t.Errorf("owners and modes: got\n%s", ls)
	}
	if strings.Count(ls, "No such file") != 2 {
		t.Errorf("left behind:\n%s", ls)
	}
	compareWithMmdebstrap(t, b, got)
}

func compareWithMmdebstrap(t *testing.T, b Bootstrap, got []string) {
	mmdebstrap := tooltest.Find(t, "mmdebstrap")
	hook := `chroot "$1" dpkg-query -W -f '${Package} ${Version} ${Status}\n' | sed 's/^/LIST /'`
	cmd := exec.CommandContext(t.Context(), mmdebstrap, "-q", "--variant=minbase", "--include="+strings.Join(b.Packages, ","),
		"--customize-hook="+hook, "--format=null", b.Suite, "/dev/null")
	cmd.Env = append(os.Environ(), "PATH=/usr/sbin:/usr/bin:/sbin:/bin")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("mmdebstrap: %v\n%s", err, out)
	}
	var theirs []string
	for line := range strings.Lines(string(out)) {
		if p, ok := strings.CutPrefix(line, "LIST "); ok {
			theirs = append(theirs, strings.TrimSpace(p))
		}
	}
	slices.Sort(theirs)
	if !slices.Equal(got, theirs) {
		t.Errorf("packages: got\n%s\nmmdebstrap has\n%s", strings.Join(got, "\n"), strings.Join(theirs, "\n"))
	}
}
