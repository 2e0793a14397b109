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

	"github.com/google/go-cmp/cmp"
)

// place is an environment of the matrix. What works there is in docs/ci.md.
type place struct {
	name    string // as the table of the page has it
	kind    string
	options []string // of the tool that imitates pods
	other   func(t *testing.T, m *matrix, work, script string) result
}

// aUser are the options of a user with subordinate ids who may gain privileges.
var aUser = []string{"--no-nnp", "--caps", "docker", "--sub", "build:100000:65536", "--setcap"}

// places are the environments, those without a container first.
func places() []place {
	return []place{
		{name: "account with subordinate ids", other: asAccount},
		{name: "account without subordinate ids", other: asNobody},
		{name: "superuser of a host", other: asSuperuser},
		{name: "pod: root without capabilities", kind: "E3a"},
		{name: "pod: restricted", kind: "E3b"},
		{name: "pod: user, no filter", kind: "E3c"},
		{name: "pod: user, no filter, subordinate ids, privileges may be gained", kind: "E3c", options: aUser},
		{name: "pod: user, no filter, unmasked `/proc`", kind: "E3d"},
		{name: "pod: user, no filter, unmasked `/proc`, subordinate ids, privileges may be gained", kind: "E3d", options: aUser},
		{name: "... and the store on the container's root", kind: "E3d", options: append([]string{"--home", "/home/build"}, aUser...)},
		{name: "... and the store on tmpfs", kind: "E3d", options: append([]string{"--home", "/store", "--tmpfs", "/store:mode=1777"}, aUser...)},
		{name: "... and the store on `noexec`", kind: "E3d", options: append([]string{"--home", "/store", "--tmpfs", "/store:mode=1777,noexec"}, aUser...)},
		{name: "pod: root without capabilities, no filter", kind: "E3e"},
		{name: "default pod or container of Docker", kind: "E4"},
		{name: "default pod, the store on tmpfs", kind: "E4", options: []string{"--tmpfs", "/var/lib/containers:mode=755"}},
		{name: "default pod, the store on `noexec`", kind: "E4", options: []string{"--tmpfs", "/var/lib/containers:mode=755,noexec"}},
		{name: "default pod without the capability `MKNOD`", kind: "E4", options: []string{"--env", "DROP=cap_mknod"}},
		{name: "default pod, no filter", kind: "E4", options: []string{"--seccomp", "none"}},
		{name: "default pod, no filter, unmasked `/proc`", kind: "E4", options: []string{"--seccomp", "none", "--unmasked"}},
		{name: "privileged container", kind: "priv"},
		{name: "rootless podman", other: inPodman()},
		{name: "rootless podman, `unmask=ALL`", other: inPodman("--security-opt", "unmask=ALL")},
		{name: "rootless podman, `unmask=ALL`, no filter", other: inPodman("--security-opt", "unmask=ALL", "--security-opt", "seccomp=unconfined")},
	}
}

// debianXML is what is built in each sandbox but vm, where it would take long: a bootstrap,
// a package, owners, links, and an ext4 disk without what tells the time.
const debianXML = `<redo>
	<buildstage id="base"><bootstrap suite="bookworm" variant="minbase"/></buildstage>
	<buildstage id="system">
		<prestage>base</prestage>
		<action>RUN apt-get update &amp;&amp; apt-get install -y --no-install-recommends iputils-ping</action>
		<action>RUN echo x >/f &amp;&amp; chown 33:44 /f &amp;&amp; chmod 4750 /f &amp;&amp; ln /f /g &amp;&amp; ln -s f /l &amp;&amp; mkfifo /p</action>
		<action>RUN rm /g &amp;&amp; mkdir -m 1777 /d &amp;&amp; touch /d/e &amp;&amp; chown -h 7:8 /l</action>
	</buildstage>
	<disk id="debian" stage="system" size="1G"><generalize/><partition name="root" fs="ext4" size="rest" path="/"/></disk>
</redo>
`

// declared is what is built in a sandbox.
func declared(sandbox string) string {
	if sandbox == "vm" {
		return "node"
	}
	return "debian"
}

// matrixScript asks which sandbox is taken, builds in each, then with buildah, and says: what,
// exit status, seconds, sum of the disk, why not.
const matrixScript = `umask 022
clock() { date +%s.%N; }
say() { # what, status, start, sum, log
	why=$(grep -v -e '^ *$' "$5" | grep -m1 -e '^carosbuild: ' -e error -e Error | cut -c1-300)
	[ "$2" != 0 ] || why=
	echo "row|$1|$2|$(echo "$(clock) $3" | awk '{printf "%.1f", $1-$2}')|$4|$why"
}
start=$(clock)
carosbuild doctor --json >doctor.json 2>doctor.log
say taken "$?" "$start" "$(sed -n 's/^  "sandbox": "\(.*\)",$/\1/p' doctor.json)" doctor.log
for s in $SANDBOXES; do
	start=$(clock)
	xml=debian
	[ "$s" != vm ] || xml=node
	carosbuild --sandbox "$s" --no-cache --progress=plain $xml.xml -B "$s" --out "$xml.raw" >"$s.log" 2>&1
	status=$?
	sum=; [ ! -e "$xml.raw" ] || sum=$(sha256sum "$xml.raw" | cut -c1-64)
	rm -f "$xml.raw"
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
say buildah "$status" "$start" "$driver" buildah.log
`

// matrix is what all places share.
type matrix struct {
	*containers
	world     *world
	image     string // archive of the program's image
	sandboxes []string
	want      map[string]string   // sums of the disks by the name of the declaration
	page      map[string][]string // cells of docs/ci.md by place
}

// TestReachMatrix makes the program's own image, and builds a disk in each sandbox in
// each environment, with buildah beside it. What works is what docs/ci.md says: a yes that is
// lost fails, and so does a no that has become a yes. It takes an hour: make reach.
// CAROSBUILD_REACH_SANDBOXES names those that are tried, for less than all.
func TestReachMatrix(t *testing.T) {
	if os.Getenv("CAROSBUILD_REACH") == "" {
		t.Skip("make reach runs it, as root")
	}
	m := newMatrix(t)
	rows := pageRow(matrixHeader(m.sandboxes)) + strings.Repeat("|---", len(m.sandboxes)+3) + "|\n"
	for _, p := range places() {
		t.Run(p.name, func(t *testing.T) {
			cells := m.try(t, p)
			rows += pageRow(append([]string{p.name}, cells...))
			if diff := cmp.Diff(m.page[p.name], cells); diff != "" {
				t.Errorf("docs/ci.md says otherwise (-page +found):\n%s", diff)
			}
		})
	}
	t.Logf("the table of docs/ci.md:\n%s", rows)
}

// newMatrix builds the image, and the root file system of the containers from it.
func newMatrix(t *testing.T) *matrix {
	t.Helper()
	t.Setenv("CAROSBUILD_TEST_CACHE", "") // that has another root file system
	m := &matrix{containers: newContainers(t), world: newWorld(t), want: map[string]string{}}
	m.sandboxes = sandboxNames(t, m.world)
	if some := os.Getenv("CAROSBUILD_REACH_SANDBOXES"); some != "" {
		m.sandboxes = strings.Fields(some)
	}
	m.page = onPage(t, matrixHeader(m.sandboxes))
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
	w.work = m.folder(t, w.dir)
	for _, name := range []string{"node", "debian"} {
		w.build(t, name+".xml", "--out", name+".raw")
		m.want[name] = fileSum(t, filepath.Join(w.work, name+".raw"))
	}
	m.imageWorks(t)
	return m
}

// folder is a new folder with what is built.
func (m *matrix) folder(t *testing.T, parent string) string {
	t.Helper()
	dir := nodeFolder(t, parent)
	if err := os.WriteFile(filepath.Join(dir, "debian.xml"), []byte(debianXML), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
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

// try tries all in a place, and returns the cells of its line.
func (m *matrix) try(t *testing.T, p place) []string {
	t.Helper()
	work := m.folder(t, m.base)
	script := "SANDBOXES='" + strings.Join(m.sandboxes, " ") + "'\n" + matrixScript
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
	var cells []string
	for line := range strings.Lines(r.stdout) {
		f := strings.SplitN(strings.TrimSpace(line), "|", 6)
		if len(f) < 6 || f[0] != "row" {
			continue
		}
		t.Logf("%-10s status %s, %s s %.12s %s", f[1], f[2], f[3], f[4], f[5])
		cells = append(cells, m.cell(t, f[1], f[2] == "0", f[4], f[5]))
	}
	if want := len(m.sandboxes) + 2; len(cells) != want {
		t.Fatalf("%d results, want %d\n%s%s", len(cells), want, tailOf(r.stdout), tailOf(r.stderr))
	}
	return cells
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
		return m.hostRun(t, work, fmt.Sprintf("sh -c '%[1]s load --quiet --input %[2]s && %[1]s run --rm --network host %[3]s --volume /etc/apt:/etc/apt:ro --volume %[4]s:/workspace --env SOURCE_DATE_EPOCH=1767225600 registry.example.org/carosbuild:1 sh %[5]s; %[1]s rmi --all --force >/dev/null'",
			podman, m.image, strings.Join(options, " "), work, script), accountWithIDs(t))
	}
}
