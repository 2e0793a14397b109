// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"
)

// place is an environment of the matrix.
type place struct {
	name string
	// works are the sandboxes in which builds must work here, and fails those in which
	// they do not yet or cannot; what is in neither is printed and nothing more.
	works, fails string
	buildah      bool // it works here, too
	kind         string
	options      []string // of the tool that imitates pods
	other        func(t *testing.T, m *matrix, work, script string) result
}

// aUser are the options of a user with subordinate ids who may gain privileges.
var aUser = []string{"--no-nnp", "--caps", "docker", "--sub", "build:100000:65536", "--setcap"}

// places are the environments, those without a container first. The names in
// parentheses are those of the notes on unprivileged builds.
func places() []place {
	return []place{
		{name: "account with subordinate ids (E1)", works: "userns", fails: "chroot", buildah: true, other: asAccount},
		{name: "account without subordinate ids (E2)", fails: "userns chroot", other: asNobody},
		{name: "superuser of a host", works: "userns", buildah: true, other: asSuperuser},
		{name: "pod: root, no capabilities (E3a)", fails: "userns chroot", kind: "E3a"},
		{name: "pod: restricted (E3b)", fails: "userns chroot", kind: "E3b"},
		{name: "pod: user, no filter (E3c)", fails: "userns chroot", kind: "E3c"},
		{name: "... and subordinate ids", fails: "userns chroot", buildah: true, kind: "E3c", options: aUser},
		{name: "pod: user, no filter, unmasked /proc (E3d)", fails: "userns chroot", kind: "E3d"},
		{name: "... and subordinate ids", works: "userns", fails: "chroot", buildah: true, kind: "E3d", options: aUser},
		{name: "... and the store on overlay", works: "userns", buildah: true, kind: "E3d", options: append([]string{"--home", "/home/build"}, aUser...)},
		{name: "... and the store on tmpfs", works: "userns", buildah: true, kind: "E3d", options: append([]string{"--home", "/store", "--tmpfs", "/store:mode=1777"}, aUser...)},
		{name: "... and the store on noexec", works: "userns", buildah: true, kind: "E3d", options: append([]string{"--home", "/store", "--tmpfs", "/store:mode=1777,noexec"}, aUser...)},
		{name: "pod: root, no capabilities, no filter (E3e)", fails: "userns chroot", kind: "E3e"},
		{name: "default pod (E4)", works: "chroot", fails: "userns", kind: "E4"},
		{name: "... and the store on tmpfs", works: "chroot", fails: "userns", kind: "E4", options: []string{"--tmpfs", "/var/lib/containers:mode=755"}},
		{name: "... and the store on noexec", fails: "userns chroot", kind: "E4", options: []string{"--tmpfs", "/var/lib/containers:mode=755,noexec"}},
		{name: "... without CAP_MKNOD", fails: "userns chroot", kind: "E4", options: []string{"--env", "DROP=cap_mknod"}},
		{name: "default pod, no filter", works: "chroot", fails: "userns", buildah: true, kind: "E4", options: []string{"--seccomp", "none"}},
		{name: "... and unmasked /proc", works: "userns chroot", buildah: true, kind: "E4", options: []string{"--seccomp", "none", "--unmasked"}},
		{name: "privileged container", works: "userns", fails: "chroot", buildah: true, kind: "priv"},
		{name: "rootless podman", fails: "userns chroot", buildah: true, other: inPodman()},
		{name: "... with unmask=ALL", fails: "userns chroot", buildah: true, other: inPodman("--security-opt", "unmask=ALL")},
		{name: "... and no filter", works: "userns", fails: "chroot", buildah: true, other: inPodman("--security-opt", "unmask=ALL", "--security-opt", "seccomp=unconfined")},
	}
}

// matrixScript builds in each sandbox, then with buildah, and says: what, exit status,
// seconds, sum of the disk, why not.
const matrixScript = `umask 022
clock() { date +%s.%N; }
say() { # what, status, start, sum, log
	why=$(grep -v -e '^ *$' "$5" | grep -m1 -e '^carosbuild: ' -e error -e Error | cut -c1-200)
	[ "$2" != 0 ] || why=
	echo "row|$1|$2|$(echo "$(clock) $3" | awk '{printf "%.1f", $1-$2}')|$4|$why"
}
for s in $SANDBOXES; do
	start=$(clock)
	carosbuild --sandbox "$s" --no-cache --progress=plain node.xml -B "$s" --out "$s.raw" >"$s.log" 2>&1
	status=$?
	sum=; [ ! -e "$s.raw" ] || sum=$(sha256sum "$s.raw" | cut -c1-64)
	say "$s" "$status" "$start" "$sum" "$s.log"
done
cat >Containerfile <<'END'
FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
RUN echo x >/f && chown 33:44 /f && chmod 4750 /f && ln /f /g && ln -s f /l && mkfifo /p
RUN rm /g && mkdir -m 1777 /d && touch /d/e && chown -h 7:8 /l
END
for driver in overlay vfs; do
	start=$(clock)
	buildah --storage-driver "$driver" bud --isolation chroot --layers --tag x . >buildah.log 2>&1
	status=$?
	[ "$status" != 0 ] || break
done
say "buildah, $driver" "$status" "$start" "" buildah.log
`

// matrix is what all places share.
type matrix struct {
	*containers
	world     *world
	image     string // archive of the program's image
	sandboxes string
	want      string // sum of the disk
	table     strings.Builder
}

// TestReachMatrix makes the program's own image, and builds a disk in each sandbox in
// each environment, with buildah beside it. A sandbox that is refused is a line of the
// table too. It takes minutes: make reach.
func TestReachMatrix(t *testing.T) {
	if os.Getenv("CAROSBUILD_REACH") == "" {
		t.Skip("make reach runs it, as root")
	}
	m := newMatrix(t)
	tab := tabwriter.NewWriter(&m.table, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tab, "where\twith\tworks\tsame disk\tseconds\twhy not")
	for _, p := range places() {
		m.fill(t, tab, p)
	}
	if err := tab.Flush(); err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", m.table.String())
}

// newMatrix builds the image, and the root file system of the containers from it.
func newMatrix(t *testing.T) *matrix {
	t.Helper()
	t.Setenv("CAROSBUILD_TEST_CACHE", "") // that has another root file system
	m := &matrix{containers: newContainers(t), world: newWorld(t)}
	w, podman := m.world, tool(t, "podman")
	peers, err := filepath.Abs("testdata/ci-peers.xml")
	if err != nil {
		t.Fatal(err)
	}
	w.ok(t, "cp", program(t), "carosbuild")
	_, ran := w.build(t, "ci-image.xml", peers, "-B", "ci")
	t.Logf("the image: %v", ran)
	m.image = filepath.Join(m.base, "ci.tar")
	w.ok(t, program(t), "export", "ci:040-peers", "--to", "docker-archive:"+m.image+":registry.example.org/carosbuild:1")
	w.ok(t, "chmod", "644", m.image)
	const name = "localhost/carosbuild/ci:040-peers"
	root := strings.TrimSpace(w.ok(t, podman, "image", "mount", name).stdout)
	w.ok(t, "cp", "-a", root, filepath.Join(m.base, "rootfs"))
	w.ok(t, podman, "image", "umount", name)
	w.setenv("SOURCE_DATE_EPOCH=1767225600")
	w.work = nodeFolder(t, w.dir)
	w.build(t, "node.xml", "--out", "node.raw")
	m.want = fileSum(t, filepath.Join(w.work, "node.raw"))
	m.sandboxes = strings.Join(sandboxNames(t, w), " ")
	m.imageWorks(t)
	return m
}

// sandboxNames are those of all sandboxes that there are.
func sandboxNames(t *testing.T, w *world) []string {
	t.Helper()
	r := w.carosbuild(t, "--sandbox", "none", "--dry-run", "node.xml")
	_, names, ok := strings.Cut(r.stderr, "want ")
	if !ok {
		t.Fatalf("no names of sandboxes in %q", r.stderr)
	}
	names, _, _ = strings.Cut(names, "\n")
	return strings.Split(names, ", ")
}

// imageWorks asks the doctor in the image, as its user build.
func (m *matrix) imageWorks(t *testing.T) {
	t.Helper()
	r := m.run(t, "E3d", []string{"--no-nnp", "--caps", "docker"}, nodeFolder(t, m.world.dir), "id -un >&2 && carosbuild doctor --json")
	var found struct {
		Sandboxes []struct {
			Name  string
			Works bool
		}
		Checks []struct{ State, What string }
	}
	if err := json.Unmarshal([]byte(r.stdout), &found); err != nil || r.status != 0 || !strings.HasPrefix(r.stderr, "build\n") {
		t.Fatalf("the image's doctor ends with %d, %v\n%s%s", r.status, err, r.stdout, r.stderr)
	}
	well := map[string]bool{}
	for _, s := range found.Sandboxes {
		well[s.Name] = s.Works
	}
	for _, c := range found.Checks {
		well[c.What] = c.State == "ok"
	}
	for _, what := range []string{"userns", "arm64", "arm", "git", "qemu-system-x86_64"} {
		if !well[what] {
			t.Errorf("%s is not well in the image:\n%s", what, r.stdout)
		}
	}
}

// fill adds the lines of a place, and checks them.
func (m *matrix) fill(t *testing.T, tab *tabwriter.Writer, p place) {
	t.Helper()
	work := nodeFolder(t, m.base)
	script := "SANDBOXES='" + m.sandboxes + "'\n" + matrixScript
	if err := os.WriteFile(filepath.Join(work, "matrix.sh"), []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	run := p.other
	if run == nil {
		run = func(t *testing.T, m *matrix, work, _ string) result {
			const command = `if [ -n "$DROP" ]; then exec capsh --drop="$DROP" -- -c 'sh matrix.sh'; fi; sh matrix.sh`
			return m.run(t, p.kind, append(p.options, "--env", "SOURCE_DATE_EPOCH=1767225600"), work, command)
		}
	}
	r := run(t, m, work, "matrix.sh")
	rows := 0
	for line := range strings.Lines(r.stdout) {
		f := strings.Split(strings.TrimSpace(line), "|")
		if len(f) < 6 || f[0] != "row" {
			continue
		}
		rows++
		what, worked := f[1], f[2] == "0"
		same := map[bool]string{true: "yes", false: "no"}[f[4] == m.want]
		if f[4] == "" {
			same = "-"
		}
		fmt.Fprintf(tab, "%s\t%s\t%v\t%s\t%s\t%s\n", p.name, what, map[bool]string{true: "yes", false: "no"}[worked], same, f[3], strings.Join(f[5:], "|"))
		p.check(t, what, worked, same)
	}
	if want := len(strings.Fields(m.sandboxes)) + 1; rows != want {
		t.Errorf("%s: %d results, want %d\n%s%s", p.name, rows, want, tailOf(r.stdout), tailOf(r.stderr))
	}
}

// check compares a result with what is expected.
func (p *place) check(t *testing.T, what string, worked bool, same string) {
	t.Helper()
	has := func(list string) bool { return strings.Contains(" "+list+" ", " "+what+" ") }
	switch {
	case strings.HasPrefix(what, "buildah"):
		if worked != p.buildah {
			t.Errorf("%s: buildah works: %v, so far it was %v", p.name, worked, p.buildah)
		}
	case has(p.works) && (!worked || same != "yes"):
		t.Errorf("%s: sandbox %s works: %v, same disk: %s", p.name, what, worked, same)
	case has(p.fails) && worked:
		t.Errorf("%s: sandbox %s works now; mend the table, and docs/ci.md", p.name, what)
	case worked && same != "yes":
		t.Errorf("%s: sandbox %s gives another disk", p.name, what)
	}
}

// hostRun runs the script on this host as an account, whose home is in the work folder.
func (m *matrix) hostRun(t *testing.T, work, script, user string) result {
	t.Helper()
	home := filepath.Join(work, "home")
	conf := "[storage]\ndriver = \"overlay\"\n"
	if user == "root" {
		conf += fmt.Sprintf("graphroot = \"%[1]s/graph\"\nrunroot = \"%[1]s/run\"\n", home)
	}
	for _, d := range []string{home, filepath.Join(work, "bin")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(home, "storage.conf"), []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	w := *m.world
	w.work = work
	w.ok(t, "cp", program(t), filepath.Join(work, "bin/carosbuild"))
	w.ok(t, "chown", "-R", user+":", work)
	return w.run(t, "setpriv", "--reuid", user, "--regid", strings.TrimSpace(w.ok(t, "id", "-g", user).stdout), "--init-groups", "sh", "-c",
		fmt.Sprintf("export HOME=%[1]s/home CONTAINERS_STORAGE_CONF=%[1]s/home/storage.conf PATH=%[1]s/bin:$PATH SOURCE_DATE_EPOCH=1767225600 USER=%[2]s; unset XDG_RUNTIME_DIR; exec %[3]s", work, user, script))
}

func asSuperuser(t *testing.T, m *matrix, work, script string) result {
	return m.hostRun(t, work, "sh "+script, "root")
}

func asNobody(t *testing.T, m *matrix, work, script string) result {
	return m.hostRun(t, work, "sh "+script, "nobody")
}

func asAccount(t *testing.T, m *matrix, work, script string) result {
	return m.hostRun(t, work, "sh "+script, accountWithIDs(t))
}

// accountWithIDs is an account of this host that has subordinate ids.
func accountWithIDs(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("/etc/subuid")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		name, _, _ := strings.Cut(line, ":")
		if exec.Command("id", name).Run() == nil && name != "root" {
			return name
		}
	}
	t.Fatal("no account of this host has subordinate ids: adduser makes one")
	return ""
}

// inPodman runs the script in the program's image with podman, as an account.
func inPodman(options ...string) func(*testing.T, *matrix, string, string) result {
	return func(t *testing.T, m *matrix, work, script string) result {
		podman := "podman --runtime runc --cgroup-manager cgroupfs --log-level error "
		return m.hostRun(t, work, fmt.Sprintf("sh -c '%[1]s load --quiet --input %[2]s && %[1]s run --rm --network host %[3]s --volume %[4]s:/workspace --env SOURCE_DATE_EPOCH=1767225600 registry.example.org/carosbuild:1 sh %[5]s; %[1]s rmi --all --force >/dev/null'",
			podman, m.image, strings.Join(options, " "), work, script), accountWithIDs(t))
	}
}
