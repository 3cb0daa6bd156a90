// The objective.* keys: the name of the objective and the options of every method.
#pragma once

#include <any>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/config.h"

namespace valley {

// Holds the options of every method with their defaults, so that a schema can bind the keys of all
// methods before the config names one. Copyable.
class ObjectiveOptions {
 public:
  explicit ObjectiveOptions(std::string objective = "began");

  std::string name;  // objective.name

  // The options struct of one method, such as BeganOptions. Logic error for a type that no
  // registered method has.
  template <class Options>
  [[nodiscard]] Options& as() {
    return const_cast<Options&>(static_cast<const ObjectiveOptions&>(*this).as<Options>());
  }
  template <class Options>
  [[nodiscard]] const Options& as() const {
    for (const std::any& options : options_)
      if (const auto* found = std::any_cast<Options>(&options)) return *found;
    throw std::logic_error("no method has options of this type");
  }

  // Options of the method `name`, for Method's functions. Error kConfig for an unknown name.
  [[nodiscard]] const std::any& held() const;
  [[nodiscard]] std::any& held();

  // Binds objective.name and the keys of all methods to this object, which must not move while the
  // schema lives.
  void add_keys(Schema& schema);

 private:
  std::vector<std::any> options_;  // in the order of methods()
};

}  // namespace valley
