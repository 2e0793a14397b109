// SPDX-License-Identifier: MPL-2.0

package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/remedy"
)

// host is what was found out about this machine's git, once.
type host struct {
	program string
	env     []string
	config  *os.File // replaces the user's configuration
}

// keptSettings are the settings of the user's configuration for reaching and
// authenticating to a server. No other may influence a result.
const keptSettings = `^(url\..*\.insteadof|credential\..*|http\..*|core\.(sshcommand|gitproxy)|ssh\.variant|safe\.directory)$`

// onHost returns the host, which the first call examines.
func (c *Cache) onHost(ctx context.Context) (*host, error) {
	c.looking.Lock()
	defer c.looking.Unlock()
	if c.host != nil {
		return c.host, nil
	}
	name := c.Program
	if name == "" {
		name = "git"
	}
	program, err := exec.LookPath(name)
	if err != nil {
		return nil, &remedy.Error{Tried: "find git, which fetches git layers", Cure: "apt-get install git", Err: err}
	}
	h := &host{program: program, env: cleanEnv(c.Env)}
	if err := h.checkVersion(ctx); err != nil {
		return nil, err
	}
	settings, err := h.userSettings(ctx, c.Env)
	if err != nil {
		return nil, err
	}
	if h.config, err = inMemory(settings); err != nil {
		return nil, err
	}
	c.host = h
	return h, nil
}

// checkVersion requires git 2.32, the first version that supports
// GIT_CONFIG_GLOBAL.
func (h *host) checkVersion(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, h.program, "version")
	cmd.Env = h.env
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("ask %s for its version: %w", h.program, err)
	}
	var major, minor int
	if _, err := fmt.Sscanf(string(out), "git version %d.%d", &major, &minor); err == nil && (major < 2 || major == 2 && minor < 32) {
		return &remedy.Error{Tried: fmt.Sprintf("%s is %s; 2.32 or newer is needed", h.program, strings.TrimSpace(string(out))), Cure: "install a newer git"}
	}
	return nil
}

// userSettings reads keptSettings from the user's configuration, which git finds by
// HOME and XDG_CONFIG_HOME.
func (h *host) userSettings(ctx context.Context, env []string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, h.program, "config", "--global", "--includes", "-z", "--get-regexp", keptSettings)
	cmd.Dir = "/"
	cmd.Env = append(slices.Clone(h.env), "GIT_DIR=/dev/null")
	for _, v := range env {
		if strings.HasPrefix(v, "GIT_CONFIG_GLOBAL=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && (exit.ExitCode() == 1 || bytes.Contains(stderr.Bytes(), []byte("HOME not set"))) {
		return nil, nil // no such settings
	}
	if err != nil {
		return nil, fmt.Errorf("read git's configuration of the user: %w: %s", err, printable(redact(firstLine(stderr.String()))))
	}
	return renderSettings(string(out)), nil
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return s
}

// renderSettings writes a list of git config -z as a configuration file.
func renderSettings(list string) []byte {
	var b bytes.Buffer
	for item := range strings.SplitSeq(strings.TrimSuffix(list, "\x00"), "\x00") {
		key, value, hasValue := strings.Cut(item, "\n")
		section, name, ok := strings.Cut(key, ".")
		if !ok {
			continue
		}
		if i := strings.LastIndexByte(name, '.'); i >= 0 {
			fmt.Fprintf(&b, "[%s %s]\n", section, quoteConfig(name[:i]))
			name = name[i+1:]
		} else {
			fmt.Fprintf(&b, "[%s]\n", section)
		}
		if !hasValue {
			fmt.Fprintf(&b, "\t%s\n", name)
			continue
		}
		fmt.Fprintf(&b, "\t%s = %s\n", name, quoteConfig(value))
	}
	return b.Bytes()
}

// quoteConfig quotes a value or the name of a subsection.
func quoteConfig(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(s) + `"`
}

// keptVariables are git's variables for reaching a server. All others are dropped:
// they could select another repository or change what a command does.
var keptVariables = []string{
	"GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_ASKPASS", "GIT_PROXY_COMMAND",
	"GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_SSL_CERT", "GIT_SSL_KEY", "GIT_SSL_NO_VERIFY", "GIT_HTTP_PROXY_AUTHMETHOD",
}

// cleanEnv is the environment of every git command: it never prompts, and its
// messages are in English. Of two variables with the same name, the last counts.
func cleanEnv(env []string) []string {
	out := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"GIT_SSH_COMMAND=ssh -o BatchMode=yes -o ConnectTimeout=30", "GIT_ASKPASS=",
	}
	for _, v := range env {
		name, _, _ := strings.Cut(v, "=")
		if name == "GIT_SSH" { // the variable above would override it
			out = slices.DeleteFunc(out, func(o string) bool { return strings.HasPrefix(o, "GIT_SSH_COMMAND=") })
		}
		if !strings.HasPrefix(name, "GIT_") || slices.Contains(keptVariables, name) {
			out = append(out, v)
		}
	}
	return append(out,
		"LC_ALL=C", "LANGUAGE=C", "TZ=UTC", "GIT_CONFIG_NOSYSTEM=1", "GIT_ATTR_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "SSH_ASKPASS=",
		"SSH_ASKPASS_REQUIRE=never", "GCM_INTERACTIVE=never", "GIT_PAGER=cat", "GIT_EDITOR=false", "GIT_NO_REPLACE_OBJECTS=1",
		"GIT_NO_LAZY_FETCH=1", "GIT_OPTIONAL_LOCKS=0")
}
