// SPDX-License-Identifier: Apache-2.0
// Makes a call of an ordinary function: its parameters say what is taken from the request.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/json.hpp"
#include "calls/machine.hpp"
#include "storage/secret.hpp"
#include "sys/root_dir.hpp"
#include "work/peer.hpp"

namespace slipway::calls {

/// Bytes that the client sends: a file of its own, or an argument that may be large.
class Input {
public:
    explicit Input(work::Peer& peer) : peer_(&peer) {}
    /// Until the end of the input, piece by piece. Cancelled.
    [[nodiscard]] Status each(const std::function<Status(std::string_view)>& take) const;
    /// NoSpace where it has more than `limit` bytes.
    [[nodiscard]] Result<std::string> whole(std::size_t limit = 64 << 20) const;

private:
    work::Peer* peer_;
};

/// Bytes that the client gets, in a file or as the call's value.
class Output {
public:
    explicit Output(work::Peer& peer) : peer_(&peer) {}
    [[nodiscard]] Status send(std::string_view bytes) const {
        return peer_->send(work::Output, bytes);
    }

private:
    work::Peer* peer_;
};

/// The client itself, for calls that go on while it watches.
struct Client {
    work::Peer& peer;
};

/// Where an argument is looked up.
struct Request {
    Machine& machine;
    const Json& arguments; ///< a list, absent ones null
    work::Peer& peer;
};

/// How a parameter of a type comes from a request. `consumes`: it takes an argument of the list.
template <class T> struct Parameter;

template <class T> struct PlainParameter {
    static constexpr bool consumes = true;
    static Result<T> take(const Request&, const Json& json) {
        try {
            return json.get<T>();
        } catch (const nlohmann::json::exception&) {
            return fail(Code::InvalidArgument, "an argument has the wrong type");
        }
    }
};
template <> struct Parameter<std::string> : PlainParameter<std::string> {};
template <> struct Parameter<std::int64_t> : PlainParameter<std::int64_t> {};
template <> struct Parameter<bool> : PlainParameter<bool> {};
template <>
struct Parameter<std::vector<std::string>> : PlainParameter<std::vector<std::string>> {};
template <> struct Parameter<sys::GuestPath> {
    static constexpr bool consumes = true;
    static Result<sys::GuestPath> take(const Request&, const Json& json);
};
template <> struct Parameter<Device> {
    static constexpr bool consumes = true;
    static Result<Device> take(const Request& request, const Json& json);
};
template <> struct Parameter<std::vector<Device>> {
    static constexpr bool consumes = true;
    static Result<std::vector<Device>> take(const Request& request, const Json& json);
};
template <> struct Parameter<Mountable> {
    static constexpr bool consumes = true;
    static Result<Mountable> take(const Request& request, const Json& json);
};
template <> struct Parameter<storage::Secret> {
    static constexpr bool consumes = true;
    static Result<storage::Secret> take(const Request&, const Json& json);
};
template <class T> struct Parameter<std::optional<T>> {
    static constexpr bool consumes = true;
    static Result<std::optional<T>> take(const Request& request, const Json& json) {
        if (json.is_null())
            return std::optional<T>{};
        SLIPWAY_TRY(auto value, Parameter<T>::take(request, json));
        return std::optional<T>(std::move(value));
    }
};
template <> struct Parameter<Input> {
    static constexpr bool consumes = false;
    static Result<Input> take(const Request& request, const Json&) { return Input(request.peer); }
};
template <> struct Parameter<Output> {
    static constexpr bool consumes = false;
    static Result<Output> take(const Request& request, const Json&) { return Output(request.peer); }
};
template <> struct Parameter<Client> {
    static constexpr bool consumes = false;
    static Result<Client> take(const Request& request, const Json&) { return Client{request.peer}; }
};

template <class Value> Result<Json> answer_of(Result<Value> result) {
    if (!result)
        return fail(std::move(result).error());
    if constexpr (std::is_void_v<Value>)
        return Json();
    else
        return Json(std::move(*result));
}

template <auto function, class> struct Bound;
template <auto function, class Answer, class... Parameters>
struct Bound<function, Answer (*)(Machine&, Parameters...)> {
    template <class T> using Plain = std::remove_cvref_t<T>;

    static Result<Json> call(Machine& machine, const Json& arguments, work::Peer& peer) {
        return call(Request{machine, arguments, peer}, std::index_sequence_for<Parameters...>{});
    }

private:
    // Where the argument of the parameter stands in the list.
    template <std::size_t index> static constexpr std::size_t position() {
        constexpr bool consumes[] = {Parameter<Plain<Parameters>>::consumes..., false};
        std::size_t place = 0;
        for (std::size_t i = 0; i < index; ++i)
            place += consumes[i] ? 1 : 0;
        return place;
    }
    static const Json& argument(const Json& arguments, std::size_t place) {
        static const Json absent;
        return place < arguments.size() ? arguments[place] : absent;
    }

    template <std::size_t... indexes>
    static Result<Json> call(const Request& request, std::index_sequence<indexes...>) {
        [[maybe_unused]] auto taken = std::tuple(Parameter<Plain<Parameters>>::take(
            request, argument(request.arguments, position<indexes>()))...);
        Status good;
        [[maybe_unused]] auto check = [&good](auto& result) {
            if (good && !result)
                good = fail(std::move(result).error());
        };
        (check(std::get<indexes>(taken)), ...);
        if (!good)
            return fail(std::move(good).error());
        return answer_of(function(request.machine, std::move(*std::get<indexes>(taken))...));
    }
};

/// A handler of a function `Result<T> f(Machine&, parameters…)`.
template <auto function> constexpr Handler bind = &Bound<function, decltype(function)>::call;

} // namespace slipway::calls
