package embedded

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
)

// exception is an error in ClickHouse's terms.
type exception struct {
	code int
	text string // "Code: 60. DB::Exception: ..."
}

func (e *exception) Error() string { return e.text }

// ClickHouse's error codes that the gateway itself answers with
// (src/Common/ErrorCodes.cpp), and the ones whose HTTP status is not 500.
const (
	codeUnknownTable     = 60
	codeSyntax           = 62
	codeUnknownDatabase  = 81
	codeUnknownSetting   = 115
	codeTooManyQueries   = 202
	codeQueryTooLarge    = 229
	codeTooManyBytes     = 307
	codeNetwork          = 210
	codeResultTooLarge   = 396
	codeAuthentication   = 516
	codeCannotDecompress = 271
	codeNotImplemented   = 48
	codeBadArguments     = 36
	codeUnknownException = 1002
)

var exceptionPrefix = regexp.MustCompile(`Code:\s*(\d+)\.`)

// exceptionOf reads the engine's text. The engine prints its own code.
func exceptionOf(text string) *exception {
	if m := exceptionPrefix.FindStringSubmatchIndex(text); m != nil {
		code, err := strconv.Atoi(text[m[2]:m[3]])
		if err == nil && code > 0 {
			return &exception{code: code, text: text[m[0]:]}
		}
	}
	return refuse(codeUnknownException, "%s", text)
}

// refuse makes an exception of our own.
func refuse(code int, format string, args ...any) *exception {
	return &exception{code: code, text: fmt.Sprintf("Code: %d. DB::Exception: ", code) + fmt.Sprintf(format, args...)}
}

// status is the HTTP status that a ClickHouse server sends with the code.
func (e *exception) status() int {
	switch e.code {
	case codeSyntax, codeUnknownSetting, codeBadArguments, codeCannotDecompress:
		return http.StatusBadRequest
	case codeUnknownTable, codeUnknownDatabase:
		return http.StatusNotFound
	case codeQueryTooLarge, codeTooManyBytes:
		return http.StatusRequestEntityTooLarge
	case codeAuthentication:
		return http.StatusUnauthorized
	case codeNotImplemented:
		return http.StatusNotImplemented
	case codeTooManyQueries:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}
