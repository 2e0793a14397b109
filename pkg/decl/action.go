// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/decl/xmltext"
	"github.com/carosio/carosbuild/pkg/lazyregexp"
	"github.com/carosio/carosbuild/pkg/words"
)

// actionWords are what an <action> may begin with.
var actionWords = []string{
	string(FromKind), string(RunKind), string(AddKind), string(CopyKind), string(EnvKind), string(WorkdirKind), string(UserKind),
	string(ReposyncKind), string(CreateBBLayersKind), string(CreateLocalConfKind),
}

// action parses the text of an <action>. The text is not empty.
func (s *stageBuilder) action(t xmltext.Text) {
	end := strings.IndexAny(t.S, xmltext.Blanks)
	if end < 0 {
		end = len(t.S)
	}
	word, arg := t.Sub(0, end), t.Sub(end, len(t.S)).Trim()
	at := word.Place(0, len(word.S))
	if !slices.Contains(actionWords, word.S) {
		hint := words.DidYouMean(word.S, actionWords)
		if hint == "" {
			hint = "the actions are " + words.List(actionWords)
		}
		s.rep.Errorf(at, hint, "unknown action %s", finding.QuoteValue(word.S))
		if word.S == strings.ToLower(word.S) && strings.EqualFold(word.S, string(FromKind)) {
			s.from = &at // not a stage that starts from nothing as well
		}
		return
	}
	argAt := at
	if arg.S != "" {
		argAt = arg.Place(0, len(arg.S))
	}
	written := Argument{Text: arg.S, Span: argAt.Span()}
	switch kind := ActionKind(word.S); {
	case kind == ReposyncKind:
		s.add(&Reposync{written}, at)
	case kind == CreateBBLayersKind:
		s.add(&CreateBBLayers{written}, at)
	case kind == CreateLocalConfKind:
		s.add(&CreateLocalConf{written}, at)
	case arg.S == "":
		if kind == FromKind {
			s.from = &at
		}
		s.rep.Errorf(at, "", "%s without an argument", word.S)
	default:
		s.add(s.argument(kind, written, arg), at)
	}
}

// argument parses the text after the word of an action. The text is not empty.
func (s *stageBuilder) argument(kind ActionKind, written Argument, arg xmltext.Text) Action {
	switch kind {
	case FromKind:
		s.checkImage(arg)
		return &From{written, arg.S}
	case RunKind:
		return &Run{written, s.argv(arg)}
	case EnvKind:
		return &Env{written, s.env(arg)}
	case WorkdirKind:
		a := &Workdir{Argument: written, Dir: arg.S}
		s.pathArgument(&a.Variables, arg)
		return a
	case UserKind:
		a := &User{Argument: written, Name: arg.S}
		if !s.variables(&a.Variables, arg) && !owner().MatchString(arg.S) {
			s.rep.Errorf(arg.Place(0, len(arg.S)), "USER or USER:GROUP, by name or number", "%s is not a user", finding.QuoteValue(arg.S))
		}
		return a
	}
	a := &Copy{Argument: written, Add: kind == AddKind}
	s.files(a, arg)
	return a
}

var (
	// imageName is the grammar of image references, as registries have it.
	imageName = lazyregexp.New(`^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]+)?/)?` +
		`[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*` +
		`(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64}|@sha512:[0-9a-f]{128})?$`)
	// imageFile names an image in files of the host.
	imageFile = lazyregexp.New(`^(oci|docker-archive):[^:]+(:[^:]+)?$`)
	owner     = lazyregexp.New(ownerPattern)
)

// ownerPattern is a user, or a user and a group, by names or numbers.
const ownerPattern = `^[A-Za-z0-9_][A-Za-z0-9_.-]*\$?(:[A-Za-z0-9_][A-Za-z0-9_.-]*\$?)?$`

// checkImage reports a FROM that is misplaced or whose argument is not an image.
func (s *stageBuilder) checkImage(arg xmltext.Text) {
	at := arg.Place(0, len(arg.S))
	first := s.from
	s.from = &at
	switch words := arg.Words(); {
	case first != nil:
		s.rep.Errorf(at, "", "a second FROM in one stage").Note(*first, "the first one is here")
	case len(s.stage.Actions) > 0:
		f := s.rep.Errorf(at, "", "FROM is not the first action of its stage")
		f.Notes = append(f.Notes, finding.Note{Span: s.stage.Actions[0].Written().Span, Text: "the first one is here"})
	case len(words) > 1:
		s.rep.Errorf(words[1].Place(0, len(words[1].S)), "", "FROM has one argument, the image")
	case !imageName().MatchString(arg.S) && !imageFile().MatchString(arg.S):
		s.rep.Errorf(at, "such as debian:12, registry.example.org:5000/base/image@sha256:..., oci:DIR, docker-archive:FILE or scratch", "%s is not the name of an image", finding.QuoteValue(arg.S))
	}
}

// argv is the command of RUN, or nil if the shell runs it, which is the case unless
// it is a JSON array. A [ followed by a blank may also be the command of that name,
// and [[ is bash's.
func (s *stageBuilder) argv(arg xmltext.Text) []string {
	if strings.HasPrefix(arg.S, "--") {
		option := arg.Words()[0]
		s.rep.Errorf(option.Place(0, len(option.S)), insteadOf(option.S), "RUN has no options")
		return nil
	}
	if !strings.HasPrefix(arg.S, "[") || strings.HasPrefix(arg.S, "[[") {
		return nil
	}
	argv, at, err := jsonStrings(arg.S)
	switch {
	case err != nil && len(arg.S) > 1 && strings.IndexByte(xmltext.Blanks, arg.S[1]) >= 0:
	case err != nil:
		s.rep.Errorf(arg.Place(at, at+1), `such as ["/bin/ls", "-l"]`, "RUN is not a JSON array of strings: %s", err)
	case len(argv) == 0 || argv[0] == "":
		s.rep.Errorf(arg.Place(0, len(arg.S)), `such as ["/bin/ls", "-l"]`, "RUN has no command")
	default:
		return argv
	}
	return nil
}

// insteadOf is the hint for an option that RUN has in a Dockerfile.
func insteadOf(option string) string {
	name, v, _ := strings.Cut(option, "=")
	switch {
	case name == "--mount" && strings.Contains(v, "type=cache"):
		return `<cache path="..."/> in the stage keeps a directory between builds`
	case name == "--mount" && strings.Contains(v, "type=secret"), name == "--mount" && strings.Contains(v, "type=ssh"):
		return "steps get no secrets: fetch what needs one before the build, and ADD it"
	case name == "--mount":
		return "COPY --from=STAGE takes files of another stage, ADD those beside the declaration"
	case name == "--network":
		return "the option --network of the command line is for all steps"
	}
	return "write the command only"
}

// isURL recognises sources that ADD downloads in a Dockerfile.
var isURL = lazyregexp.New(`^([a-z][a-z0-9+.-]*://|git@[^/]+:)`)

// jsonStrings reads an array of strings. An error is located at byte at of the
// text.
func jsonStrings(v string) (list []string, at int, err error) {
	var words []*string
	if err := json.Unmarshal([]byte(v), &words); err != nil {
		var syntax *json.SyntaxError
		var kind *json.UnmarshalTypeError
		switch {
		case errors.As(err, &syntax):
			at = int(syntax.Offset) - 1
		case errors.As(err, &kind):
			at, err = int(kind.Offset)-1, errors.New(kind.Value+" is not a string")
		}
		return nil, min(max(at, 0), len(v)-1), err
	}
	for _, w := range words {
		if w == nil {
			return nil, 0, errors.New("null is not a string")
		}
		list = append(list, *w)
	}
	return list, 0, nil
}

// files handles ADD and COPY.
func (s *stageBuilder) files(a *Copy, arg xmltext.Text) {
	words := arg.Words()
	for len(words) > 0 && strings.HasPrefix(words[0].S, "--") {
		s.option(a, words[0])
		words = words[1:]
	}
	if len(words) > 0 && strings.HasPrefix(words[0].S, "[") {
		words = s.quotedWords(arg.Since(words[0]))
		if words == nil {
			return
		}
	}
	for _, w := range words {
		if strings.HasPrefix(w.S, "--") {
			s.rep.Errorf(w.Place(0, len(w.S)), "put it before the source", "the option %s is not before the source", finding.QuoteValue(w.S))
			return
		}
	}
	n := len(words) - 1
	switch {
	case n < 1:
		s.rep.Errorf(arg.Place(0, len(arg.S)), "write "+string(a.Kind())+" SOURCE DESTINATION", "%s lacks a source or a destination", a.Kind())
		return
	case n > 1 && a.Add:
		s.rep.Errorf(words[2].Place(0, len(words[2].S)), `names with blanks are written ADD ["a b", "/c d"]`, "ADD has %d words where a source and a destination should be", len(words))
		return
	case n > 1 && !strings.HasSuffix(words[n].S, "/"):
		s.rep.Errorf(words[n].Place(0, len(words[n].S)), "did you mean "+finding.QuoteValue(words[n].S+"/")+"?", "COPY of several sources goes into a directory")
	}
	for _, w := range words[:n] {
		a.Sources = append(a.Sources, w.S)
		s.variables(&a.Variables, w)
		if isURL().MatchString(w.S) {
			s.rep.Errorf(w.Place(0, len(w.S)), "put the file beside the declaration, or download and check it in a step: RUN curl -fsSLo FILE URL && echo 'SHA256  FILE' | sha256sum -c", "%s downloads nothing", a.Kind())
		} else if climbs(w.S) {
			s.rep.Errorf(w.Place(0, len(w.S)), "put it beside the declaration, or write an absolute path", "source %s climbs out with ..", finding.QuoteValue(w.S))
		}
	}
	a.Dest = words[n].S
	s.pathArgument(&a.Variables, words[n])
}

// quotedWords reads the JSON form of ADD and COPY. Each of its words has the place
// of the whole argument. It returns nil after an error.
func (s *stageBuilder) quotedWords(arg xmltext.Text) []xmltext.Text {
	list, at, err := jsonStrings(arg.S)
	if err == nil && slices.Contains(list, "") {
		err = errors.New("a name is empty")
	}
	if err != nil {
		s.rep.Errorf(arg.Place(at, at+1), `such as ["a b", "/c d"]`, "not a JSON array of strings: %s", err)
		return nil
	}
	words := make([]xmltext.Text, 0, len(list))
	whole := arg.Place(0, len(arg.S))
	for _, w := range list {
		words = append(words, xmltext.Replaced(whole, w))
	}
	return words
}

// option handles --from=STAGE, --chown=OWNER, --chmod=MODE and --optional.
func (s *stageBuilder) option(a *Copy, w xmltext.Text) {
	name, v, _ := strings.Cut(w.S, "=")
	known := []string{"--chown", "--chmod", "--optional"}
	if !a.Add {
		known = append(known, "--from")
	}
	at := w.Place(0, len(name))
	if !slices.Contains(known, name) {
		hint := words.DidYouMean(name, known)
		if name == "--from" {
			hint = "COPY has it"
		}
		s.rep.Errorf(at, hint, "unknown option %s of %s", finding.QuoteValue(name), a.Kind())
		return
	}
	if w.S == "--optional" {
		a.Optional = true
		return
	}
	if v == "" {
		s.rep.Errorf(at, "write "+name+"=...", "the option %s has no value", name)
		return
	}
	word := w.Sub(len(name)+1, len(w.S))
	value := word.Place(0, len(v))
	switch name {
	case "--from":
		a.FromStage = v
		s.refs = append(s.refs, ref{toStage, "stage " + finding.QuoteValue(s.stage.ID) + " copies from stage", v, value, nil})
	case "--chown":
		a.Chown = v
		if !s.variables(&a.Variables, word) && !owner().MatchString(v) {
			s.rep.Errorf(value, "USER or USER:GROUP, by name or number", "%s is not an owner", finding.QuoteValue(v))
		}
	case "--chmod":
		a.Chmod = v
		if s.variables(&a.Variables, word) {
			return
		}
		if fl := checkMode(v); fl != nil {
			s.rep.Errorf(value, fl.hint, "%s %s", finding.QuoteValue(v), fl.text)
		}
	}
}

// pathArgument reports a path in the stage that leaves the root. A relative path
// starts from the WORKDIR.
func (s *stageBuilder) pathArgument(uses *[]Variable, w xmltext.Text) {
	s.variables(uses, w)
	if strings.HasPrefix(w.S, "/") && climbs(w.S) {
		s.rep.Errorf(w.Place(0, len(w.S)), "", "path %s climbs out of the root with ..", finding.QuoteValue(w.S))
	}
}
