// Experiment files: TOML bound to typed options.
//
// A Schema binds each known key to a variable that holds its default. `load` reads a file and
// dotted overrides into those variables. It rejects a key that is not in the schema, naming the
// nearest known one, and a value of the wrong type, out of range or not among the choices, naming
// file, line and key (ExitCode::kConfig). A missing file is kMissingInput. The same schema
// prints every key with its type, default, meaning and source (`valley train --keys`,
// docs/config.md) and writes the resolved config, which loads again as it is.
//
//   std::int64_t steps = 1000;
//   Schema schema;
//   schema.key("train.steps", &steps).min(1).help("Optimizer steps.").source("ours");
//   schema.load("began.toml", {"train.steps=500"});
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/error.h"

namespace valley {

// An integer, or a number, or the word "auto" (empty).
using AutoInt = std::optional<std::int64_t>;
using AutoDouble = std::optional<double>;

// A variable of an enum type whose enumerators are 0, 1, ... in the order of a key's choices.
class EnumTarget {
 public:
  template <class Enum>
  explicit EnumTarget(Enum* variable)
      : get_([variable] { return static_cast<std::size_t>(*variable); }),
        set_([variable](std::size_t index) { *variable = static_cast<Enum>(index); }) {}
  [[nodiscard]] std::size_t get() const { return get_(); }
  void set(std::size_t index) const { set_(index); }

 private:
  std::function<std::size_t()> get_;
  std::function<void(std::size_t)> set_;
};

class Key {
 public:
  using Target = std::variant<bool*, std::int64_t*, AutoInt*, double*, AutoDouble*, std::string*,
                              std::vector<std::int64_t>*, std::vector<std::string>*, EnumTarget>;

  Key(std::string name, Target target, std::vector<std::string> choices = {});

  // One sentence with the unit, and the source of the default: a paper's section, or "ours". Where
  // several variables are bound to the key, their sentences follow each other.
  Key& help(const std::string& meaning);
  Key& source(const std::string& where);
  Key& min(double lowest);   // inclusive, for numbers
  Key& max(double highest);  // inclusive
  Key& above(double bound);  // exclusive lower bound
  // For strings. A key that has "on" and "off" takes true and false for them.
  Key& one_of(std::vector<std::string> choices);
  // For strings: the key also takes a list of texts with weights, [["a", 0.7], ["b", 0.3]], which
  // the variable holds as text (core/weighted_list.h).
  Key& or_weighted_list();

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::string type()
      const;  // "bool", "integer", "integer or \"auto\"", "number", "string", ...
  [[nodiscard]] std::string value() const;  // the bound variable's present value, as TOML
  [[nodiscard]] const std::string& default_value() const { return default_; }  // as TOML
  [[nodiscard]] const std::string& meaning() const { return meaning_; }
  [[nodiscard]] const std::string& where_from() const { return source_; }
  [[nodiscard]] const std::vector<std::string>& choices() const { return choices_; }
  [[nodiscard]] bool holds_text() const;  // true for strings and enums
  [[nodiscard]] bool is_switch() const;   // true if "on" and "off" are choices
  [[nodiscard]] bool takes_weighted_list() const { return takes_weighted_list_; }
  [[nodiscard]] std::string limits() const;  // "", ">= 1", "> 0, <= 1", ...
  // Valid values, for messages: "an integer >= 1", "one of \"fp32\", \"bf16\"", ...
  [[nodiscard]] std::string accepts() const;
  [[nodiscard]] bool is_within_limits(double number) const;  // false for NaN
  // Largest absolute value of a number, see Schema::bound_numbers.
  [[nodiscard]] double bound() const { return bound_; }

 private:
  friend class Schema;
  std::string name_;
  std::vector<Target> targets_;  // of one type; values are read from the first
  std::string default_;
  std::string meaning_;
  std::string source_;
  std::optional<double> min_;
  std::optional<double> max_;
  double bound_ = std::numeric_limits<double>::infinity();
  bool min_is_exclusive_ = false;
  bool takes_weighted_list_ = false;
  std::vector<std::string> choices_;
};

class Schema {
 public:
  // Registers `name` ("section.key") for `target`, whose present value is the default; `target`
  // must outlive the schema. A name that is registered already gets one more variable of the same
  // type: a value is stored in all of them, and the default is that of the first. The reference
  // stays good as long as the schema.
  Key& key(std::string name, Key::Target target);

  // Registers a variable of an enum type; `names` are those of its enumerators 0, 1, ...
  template <class Enum>
  Key& choice(std::string name, Enum* variable, std::vector<std::string> names) {
    return keys_.emplace_back(std::move(name), EnumTarget(variable), std::move(names));
  }

  // Declares mutually exclusive keys. An override of one of them, except with "auto", undoes what
  // the file sets for the others.
  void alternatives(std::vector<std::string> names);

  // Accepts `old_name` for the key `name` of this version.
  void renamed(std::string old_name, const std::string& name);
  // One sentence per value that was loaded by an old name, with its place.
  [[nodiscard]] const std::vector<std::string>& deprecations() const { return deprecations_; }

  // Rejects numbers of all keys so far whose absolute value is larger than `largest`. Descriptions
  // of keys do not state it.
  void bound_numbers(double largest);

  // `overrides` are "section.key=value" with a TOML value; a bare word or path is taken as a string
  // where the key holds one. They take precedence over the file, later ones over earlier. Without a
  // "=" an override is ExitCode::kUsage. After an Error the variables are partly assigned.
  void load(const std::filesystem::path& file, const std::vector<std::string>& overrides);
  void load_text(const std::string& toml, const std::string& file_name_for_messages,
                 const std::vector<std::string>& overrides);

  [[nodiscard]] bool was_given(const std::string& name) const;  // by the file or an override
  // Where a key's value came from, for messages: "runs.toml:12" or "command line" or "default".
  [[nodiscard]] std::string place(const std::string& name) const;
  [[nodiscard]] std::map<std::string, std::string> values()
      const;  // name -> TOML value, of every key
  [[nodiscard]] std::string to_toml()
      const;  // the resolved config, with sections, sorted as declared
  // For a terminal: the keys that start with `prefix` ("" for all), or ExitCode::kUsage.
  [[nodiscard]] std::string describe_keys(const std::string& prefix) const;
  [[nodiscard]] std::string describe_keys_markdown() const;  // docs/config.md
  [[nodiscard]] const std::deque<Key>& keys() const { return keys_; }

 private:
  struct TomlNode;  // wraps the parser's node type, which this header does not include
  // `name`, or the present name of a key that had it, which is noted as deprecated.
  [[nodiscard]] std::string present_name(const std::string& name, const std::string& place);
  void drop_alternatives(const Key& chosen);
  void load_override(const std::string& argument);
  void assign(const std::string& name, const TomlNode& node, const std::string& place);
  [[nodiscard]] Error unknown_key(const std::string& name, const std::string& place) const;
  [[nodiscard]] Error unknown_section(const std::string& name, const std::string& place) const;
  [[nodiscard]] const Key* find(const std::string& name) const;
  [[nodiscard]] bool is_section(
      const std::string& name) const;  // also the beginning of a section's name
  // "train" of "train.steps", each once, in order of declaration.
  [[nodiscard]] std::vector<std::string> sections() const;

  std::deque<Key> keys_;  // in order of declaration; a deque keeps references from `key` valid
  std::map<std::string, std::string> places_;
  std::vector<std::vector<std::string>> alternatives_;
  std::map<std::string, std::string> old_names_;  // to the present ones
  std::vector<std::string> deprecations_;
};

// The text of a config file or of a pipe such as <(command), read once. Errors: kMissingInput, and
// kConfig above 16 MiB.
[[nodiscard]] std::string read_config(const std::filesystem::path& file);

// `text` as a TOML string, quoted and escaped.
[[nodiscard]] std::string toml_string(std::string_view text);

// Index of `text` in `choices`, the values of `key`. Error kConfig naming all three if it is not
// among them.
[[nodiscard]] std::size_t choice_of(const std::string& text,
                                    const std::vector<std::string>& choices,
                                    const std::string& key);

// Known name with the smallest edit distance to `name` (insertions, deletions, substitutions,
// transpositions of adjacent letters; ignoring case), or "" when it is too large: more than a third
// of the letters after the section that both names share, or more than 3.
[[nodiscard]] std::string nearest_name(const std::string& name,
                                       const std::vector<std::string>& known);

}  // namespace valley
