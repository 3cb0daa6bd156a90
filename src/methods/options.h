// The objective.* keys: the name of the objective and the options of every method.
#pragma once

#include <any>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/config.h"

namespace valley {

class Method;

// Holds the options of every method with their defaults, so that a schema can bind the keys of all
// methods before the config names one. Copyable.
class ObjectiveOptions {
 public:
  // Those of all registered methods.
  explicit ObjectiveOptions(std::string objective = "began");
  // Those of one method, which need not be registered and must outlive this object.
  explicit ObjectiveOptions(const Method& only);

  std::string name;  // objective.name

  // The options struct of one method, such as BeganOptions. Logic error for a type that none
  // of the methods has.
  template <class Options>
  [[nodiscard]] Options& as() {
    return const_cast<Options&>(static_cast<const ObjectiveOptions&>(*this).as<Options>());
  }
  template <class Options>
  [[nodiscard]] const Options& as() const {
    for (const Entry& entry : entries_)
      if (const auto* found = std::any_cast<Options>(&entry.options)) return *found;
    throw std::logic_error("no method has options of this type");
  }

  // The method `name`. Error kConfig for an unknown name.
  [[nodiscard]] const Method& method() const;

  // Binds objective.name and the keys of all methods to this object, which must not move while the
  // schema lives.
  void add_keys(Schema& schema);

 private:
  struct Entry {
    const Method* method;
    std::any options;
  };
  std::vector<Entry> entries_;  // in the order in which keys are documented
};

}  // namespace valley
