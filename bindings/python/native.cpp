// SPDX-License-Identifier: Apache-2.0
// The module slipway._native: a handle with one general call. What makes a Python class of it is in
// the package.
#include <memory>
#include <string>

#include <pybind11/pybind11.h>

#include "guestfs/handle.hpp"

namespace py = pybind11;

namespace slipway {
namespace {

using guestfs::Handle;
using guestfs::Signature;
using guestfs::Type;

// Text as Python holds names of files: bytes that are no UTF-8 stay what they are.
std::string text_of(py::handle value) {
    auto bytes = py::reinterpret_steal<py::object>(
        PyUnicode_AsEncodedString(value.ptr(), "utf-8", "surrogateescape"));
    if (!bytes)
        throw py::error_already_set();
    return bytes.cast<std::string>();
}

[[noreturn]] void refuse(const guestfs::Parameter& parameter, const char* wanted,
                         py::handle value) {
    throw py::type_error("argument '" + std::string(parameter.name) + "' must be " + wanted +
                         ", not " + std::string(Py_TYPE(value.ptr())->tp_name));
}

Json string_argument(const guestfs::Parameter& parameter, py::handle value) {
    if (py::isinstance<py::str>(value))
        return text_of(value);
    bool takes_bytes = parameter.type == Type::Bytes || parameter.type == Type::Key;
    if (takes_bytes && py::isinstance<py::bytes>(value))
        return value.cast<std::string>();
    // Names of the caller's files, as os.PathLike.
    if ((parameter.type == Type::FileIn || parameter.type == Type::FileOut ||
         parameter.type == Type::String) &&
        py::hasattr(value, "__fspath__"))
        return text_of(value.attr("__fspath__")());
    refuse(parameter, takes_bytes ? "str or bytes" : "str", value);
}

Json list_argument(const guestfs::Parameter& parameter, py::handle value) {
    if (!py::isinstance<py::list>(value) && !py::isinstance<py::tuple>(value))
        refuse(parameter, "a list of str", value);
    auto list = Json::array();
    for (auto each : value) {
        if (!py::isinstance<py::str>(each))
            refuse(parameter, "a list of str", each);
        list.push_back(text_of(each));
    }
    return list;
}

Json argument_of(const guestfs::Parameter& parameter, py::handle value) {
    if (value.is_none() && parameter.nullable)
        return {};
    switch (parameter.type) {
    case Type::Int: {
        if (!PyLong_Check(value.ptr()))
            refuse(parameter, "int", value);
        auto number = PyLong_AsLongLong(value.ptr());
        if (number == -1 && PyErr_Occurred() != nullptr)
            throw py::error_already_set();
        return number;
    }
    case Type::Bool: {
        int truth = value.is_none() ? -1 : PyObject_IsTrue(value.ptr());
        if (truth < 0)
            refuse(parameter, "bool", value);
        return truth != 0;
    }
    case Type::Strings:
    case Type::Devices:
        return list_argument(parameter, value);
    default:
        return string_argument(parameter, value);
    }
}

// NOLINTNEXTLINE(misc-no-recursion): records hold no records
py::object object_of(const Json& json, bool bytes) {
    switch (json.type()) {
    case Json::value_t::boolean: // libguestfs gives 1 and 0, and clients print them
        return py::int_(json.get<bool>() ? 1 : 0);
    case Json::value_t::number_integer:
        return py::int_(json.get<std::int64_t>());
    case Json::value_t::number_unsigned:
        return py::int_(json.get<std::uint64_t>());
    case Json::value_t::number_float:
        return py::float_(json.get<double>());
    case Json::value_t::string: {
        const auto& text = json.get_ref<const std::string&>();
        if (bytes)
            return py::bytes(text);
        return py::reinterpret_steal<py::object>(PyUnicode_DecodeUTF8(
            text.data(), static_cast<Py_ssize_t>(text.size()), "surrogateescape"));
    }
    case Json::value_t::array: {
        py::list list;
        for (const auto& each : json)
            list.append(object_of(each, false));
        return list;
    }
    case Json::value_t::object: {
        py::dict record;
        for (const auto& [name, value] : json.items())
            record[py::str(name)] = object_of(value, name == "attrval");
        return record;
    }
    default:
        return py::none();
    }
}

// (code, text, errno, hint, argv, exit status, error output)
py::object failure_of(const Error& error) {
    auto argv = py::list();
    if (error.tool)
        for (const auto& word : error.tool->argv)
            argv.append(object_of(word, false));
    return py::make_tuple(std::string(name_of(error.code)), object_of(render_line(error), false),
                          error.errno_value, object_of(error.hint, false), argv,
                          error.tool ? error.tool->exit_status : 0,
                          error.tool ? py::bytes(error.tool->stderr_tail) : py::bytes());
}

// Ctrl-C while a call waits: runs Python's handlers, whose exception the call then raises.
bool signal_came() {
    py::gil_scoped_acquire python;
    return PyErr_CheckSignals() != 0;
}

// Copies of it are made and dropped without the interpreter's lock.
std::shared_ptr<py::object> share(py::object object) {
    return {new py::object(std::move(object)), [](py::object* held) {
                py::gil_scoped_acquire python;
                delete held;
            }};
}

class NativeHandle {
public:
    NativeHandle(const std::string& engine, bool environment)
        : handle_(guestfs::HandleOptions{
              .engine = engine, .environment = environment, .interrupted = signal_came}) {}

    // (answer, None) or (None, failure)
    py::tuple call(const std::string& name, const py::tuple& given) {
        const auto* signature = guestfs::find_signature(name);
        auto arguments = Json::array();
        for (std::size_t i = 0; i < given.size() && signature != nullptr; ++i)
            arguments.push_back(argument_of(signature->parameters[i], given[i]));
        auto answer = [&] {
            py::gil_scoped_release others;
            return handle_.call(name, arguments);
        }();
        if (PyErr_Occurred() != nullptr)
            throw py::error_already_set();
        if (!answer)
            return py::make_tuple(py::none(), failure_of(answer.error()));
        return py::make_tuple(object_of(*answer, signature->result == Type::Bytes), py::none());
    }

    py::object close() {
        auto done = [&] {
            py::gil_scoped_release others;
            return handle_.close();
        }();
        return done ? py::object(py::none()) : failure_of(done.error());
    }
    [[nodiscard]] bool is_closed() const { return handle_.is_closed(); }

    // callback(event, number, text, array); it must not raise.
    int set_event_callback(py::object callback, std::uint64_t mask) {
        return handle_.set_event_callback(
            [held = share(std::move(callback))](guestfs::Event event, int number,
                                                std::string_view text,
                                                std::span<const std::uint64_t> array) {
                py::gil_scoped_acquire python;
                py::list numbers;
                for (auto each : array)
                    numbers.append(each);
                try {
                    (*held)(static_cast<std::uint64_t>(event), number,
                            text.empty() ? py::none() : object_of(std::string(text), false),
                            numbers);
                } catch (py::error_already_set& error) {
                    error.discard_as_unraisable("an event callback");
                }
            },
            mask);
    }
    void delete_event_callback(int number) { handle_.delete_event_callback(number); }

private:
    Handle handle_;
};

bool is_supported(const std::string& name) {
    const auto* signature = guestfs::find_signature(name);
    return signature != nullptr && signature->where != guestfs::Where::None;
}

bool gives_hash(const std::string& name) {
    const auto* signature = guestfs::find_signature(name);
    return signature != nullptr && signature->result == Type::Hash;
}

} // namespace
} // namespace slipway

PYBIND11_MODULE(_native, module) {
    using slipway::NativeHandle;
    module.doc() = "Handles of Slipway's guestfs API.";
    py::class_<NativeHandle>(module, "Handle")
        .def(py::init<const std::string&, bool>(), py::arg("engine"), py::arg("environment"))
        .def("call", &NativeHandle::call)
        .def("close", &NativeHandle::close)
        .def("set_event_callback", &NativeHandle::set_event_callback)
        .def("delete_event_callback", &NativeHandle::delete_event_callback)
        .def_property_readonly("closed", &NativeHandle::is_closed);
    module.def("is_supported", &slipway::is_supported);
    module.def("gives_hash", &slipway::gives_hash);
}
