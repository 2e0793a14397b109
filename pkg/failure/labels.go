// SPDX-License-Identifier: MPL-2.0

package failure

import (
	"encoding/json"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/carosio/carosbuild/pkg/lazyregexp"
	"github.com/carosio/carosbuild/pkg/oci"
)

// Prefix begins the names of the labels.
const Prefix = "org.carosio.carosbuild.failed."

// The labels. Those of a Record's World are left out where it has nothing to say.
const (
	formatLabel  = Prefix + "format"
	buildLabel   = Prefix + "build"
	stageLabel   = Prefix + "stage"
	stepLabel    = Prefix + "step" // such as 2/5
	kindLabel    = Prefix + "kind"
	textLabel    = Prefix + "command"
	fileLabel    = Prefix + "file"
	lineLabel    = Prefix + "line"   // and the column: 17:3
	statusLabel  = Prefix + "status" // of the command
	logLabel     = Prefix + "log"
	networkLabel = Prefix + "network"
	epochLabel   = Prefix + "epoch"
	cachesLabel  = Prefix + "caches" // JSON, as in a plan
	aptLabel     = Prefix + "apt"    // likewise
	gitLabel     = Prefix + "git-layers"
	userLabel    = Prefix + "bitbake-user"

	format = "1"
)

// login is a password in an address, with the user's name.
var login = lazyregexp.New(`(://)[^/\s]*@`)

// Redact is a text without the passwords of addresses, and without some other texts.
func Redact(s string, but ...string) string {
	for _, b := range but {
		if b != "" {
			s = strings.ReplaceAll(s, b, "***")
		}
	}
	return login().ReplaceAllString(s, "${1}***@")
}

// Mark notes a record in an image's configuration.
func (r *Record) Mark(c *oci.Config) error {
	notes := map[string]string{
		formatLabel: format, buildLabel: r.Build, stageLabel: r.Stage, stepLabel: strconv.Itoa(r.Step) + "/" + strconv.Itoa(r.Steps), kindLabel: r.Kind,
		textLabel: cut(r.Text, mostText), fileLabel: nameOf(r.File), lineLabel: strconv.Itoa(r.Line) + ":" + strconv.Itoa(r.Column),
		statusLabel: strconv.Itoa(r.Status), logLabel: end(r.Log, mostLog), networkLabel: r.Network, userLabel: r.User,
	}
	if r.Epoch != nil {
		notes[epochLabel] = strconv.FormatInt(*r.Epoch, 10)
	}
	if r.GitLayers {
		notes[gitLabel] = "true"
	}
	for name, v := range map[string]any{cachesLabel: r.Caches, aptLabel: r.Apt} {
		data, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if string(data) != "null" {
			notes[name] = string(data)
		}
	}
	for i := range c.History { // which has the commands of all steps
		c.History[i].CreatedBy = Redact(c.History[i].CreatedBy)
	}
	c.Config.Labels = without(c.Config.Labels)
	for name, value := range notes {
		if value != "" {
			c.Config.Labels[name] = value
		}
	}
	return nil
}

// Clear takes what Mark notes out of a configuration: what is based on a half-done stage
// has not failed.
func Clear(c *oci.Config) {
	if labels := without(c.Config.Labels); len(labels) < len(c.Config.Labels) {
		c.Config.Labels = labels
	}
}

// without are the labels of an image that are not of this package.
func without(all map[string]string) map[string]string {
	labels := map[string]string{}
	for name, value := range all {
		if !strings.HasPrefix(name, Prefix) {
			labels[name] = value
		}
	}
	return labels
}

// Marked reports whether something is noted in a configuration.
func Marked(c *oci.Config) bool { return c.Config.Labels[formatLabel] != "" }

// nameOf is the name of a file without directories of a machine.
func nameOf(file string) string {
	if file != "" && !filepath.IsLocal(file) {
		file = filepath.Base(file)
	}
	return cut(file, mostName)
}

// cut is the beginning of a text, as JSON has it.
func cut(s string, most int) string {
	if s = strings.ToValidUTF8(s, "\uFFFD"); len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}

// end is the end of a text, from the beginning of a line if it has several.
func end(s string, most int) string {
	if s = strings.ToValidUTF8(s, "\uFFFD"); len(s) <= most {
		return s
	}
	s = s[len(s)-most:]
	if i := strings.IndexByte(s, '\n'); i >= 0 && i+1 < len(s) {
		s = s[i+1:]
	}
	return strings.ToValidUTF8(s, "")
}
