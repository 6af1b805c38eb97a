using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace Toolkit.Tests.Architecture;

/// <summary>Renders what an assembly shows to others, one line a member, in an order of its own.</summary>
internal static class ApiText
{
    private const BindingFlags Declared =
        BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    private static readonly NullabilityInfoContext s_nullability = new();

    private static readonly Dictionary<Type, string> s_keywords = new()
    {
        [typeof(void)] = "void",
        [typeof(bool)] = "bool",
        [typeof(byte)] = "byte",
        [typeof(char)] = "char",
        [typeof(int)] = "int",
        [typeof(uint)] = "uint",
        [typeof(long)] = "long",
        [typeof(ulong)] = "ulong",
        [typeof(double)] = "double",
        [typeof(string)] = "string",
        [typeof(object)] = "object",
    };

    public static string[] Render(Assembly assembly)
    {
        var lines = new List<string>();
        foreach (Type type in assembly.GetExportedTypes()
            .Where(type => !IsUnspeakable(type.FullName!))
            .OrderBy(type => type.FullName, StringComparer.Ordinal))
        {
            if (lines.Count > 0)
            {
                lines.Add("");
            }

            lines.Add(Header(type));
            lines.AddRange(Members(type).Order(StringComparer.Ordinal).Select(member => $"    {member}"));
        }

        return [.. lines];
    }

    private static string Header(Type type)
    {
        string kind = type switch
        {
            { IsEnum: true } => "enum",
            { IsInterface: true } => "interface",
            _ when typeof(Delegate).IsAssignableFrom(type) => "delegate",
            { IsValueType: true } => (IsReadOnly(type) ? "readonly " : "") + (type.IsByRefLike ? "ref " : "")
                                     + (IsRecord(type) ? "record struct" : "struct"),
            { IsAbstract: true, IsSealed: true } => "static class",
            _ => (type.IsAbstract ? "abstract " : type.IsSealed ? "sealed " : "") + (IsRecord(type) ? "record" : "class"),
        };
        IEnumerable<Type> inherited = type.IsEnum ? [] : type.GetInterfaces()
            .Except(type.BaseType?.GetInterfaces() ?? [])
            .Where(i => i.IsPublic && !(IsRecord(type) && i.Name == typeof(IEquatable<>).Name));
        string[] bases =
        [
            .. type is { IsValueType: false, BaseType: { } parent } && parent != typeof(object)
                ? [Name(parent)]
                : Array.Empty<string>(),
            .. inherited.Select(Name).Order(StringComparer.Ordinal),
        ];
        string inheritance = bases.Length > 0 ? " : " + string.Join(", ", bases) : "";
        return $"{kind} {type.Namespace}.{Name(type)}{inheritance}{Constraints(type.GetGenericArguments())}";
    }

    private static IEnumerable<string> Members(Type type)
    {
        if (type.IsEnum)
        {
            return Enum.GetNames(type).Select(name =>
                $"{name} = {Convert.ToInt64(Enum.Parse(type, name), CultureInfo.InvariantCulture)}");
        }

        return type.GetMembers(Declared).Where(member => !IsUnspeakable(member.Name)).Select(Render).OfType<string>();
    }

    private static string? Render(MemberInfo member) => member switch
    {
        ConstructorInfo constructor when Access(constructor, out string access)
            => $"{access}{constructor.DeclaringType!.Name.Split('`')[0]}({Parameters(constructor)})",
        MethodInfo method when IsWritten(method) && Access(method, out string access)
            => $"{access}{Modifiers(method)}{Annotated(method.ReturnParameter)} {method.Name}{Generics(method)}"
               + $"({(method.IsDefined(typeof(ExtensionAttribute)) ? "this " : "")}{Parameters(method)})"
               + Constraints(method.GetGenericArguments()),
        PropertyInfo property => Render(property),
        EventInfo { AddMethod: { } add } @event when Access(add, out string access)
            => $"{access}{Modifiers(add)}event {Name(@event.EventHandlerType!)} {@event.Name}",
        FieldInfo field when field.IsPublic || IsProtected(field)
            => $"{(field.IsPublic ? "" : "protected ")}{Modifiers(field)}{Name(field.FieldType)} {field.Name}"
               + (field.IsLiteral ? $" = {Literal(field.GetRawConstantValue())}" : ""),
        _ => null,
    };

    private static string? Render(PropertyInfo property)
    {
        string get = Accessor(property.GetMethod, "get");
        bool isInit = property.SetMethod?.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(IsExternalInit)) is true;
        string set = Accessor(property.SetMethod, isInit ? "init" : "set");
        if (get.Length + set.Length == 0 || property.Name == "EqualityContract")
        {
            return null;
        }

        MethodInfo shown = get.Length > 0 ? property.GetMethod! : property.SetMethod!;
        string required = property.IsDefined(typeof(RequiredMemberAttribute)) ? "required " : "";
        NullabilityInfo nullability = s_nullability.Create(property);
        string type = Name(property.PropertyType)
            + (nullability.ReadState == NullabilityState.Nullable && !property.PropertyType.IsValueType ? "?" : "");
        return $"{required}{Modifiers(shown)}{type} {property.Name} {{ {get}{set}}}";
    }

    private static string Accessor(MethodInfo? accessor, string word)
        => accessor is not null && Access(accessor, out string access) ? $"{access}{word}; " : "";

    private static bool Access(MethodBase method, out string access)
    {
        bool isProtected = (method.IsFamily || method.IsFamilyOrAssembly) && !method.DeclaringType!.IsSealed;
        access = isProtected ? "protected " : "";
        return method.IsPublic || isProtected;
    }

    private static bool IsProtected(FieldInfo field)
        => (field.IsFamily || field.IsFamilyOrAssembly) && !field.DeclaringType!.IsSealed;

    // Not an accessor, and not one of those that the compiler gives to every record.
    private static bool IsWritten(MethodInfo method)
        => !(method.IsSpecialName && !method.Name.StartsWith("op_", StringComparison.Ordinal))
           && !method.IsDefined(typeof(CompilerGeneratedAttribute));

    private static bool IsUnspeakable(string name) => name.Contains('<', StringComparison.Ordinal);

    private static bool IsRecord(Type type)
        => type.GetMethod("<Clone>$", Declared) is not null
           || (type.IsValueType && type.GetMethod("PrintMembers", Declared) is not null);

    private static bool IsReadOnly(Type type) => type.IsDefined(typeof(IsReadOnlyAttribute));

    private static string Modifiers(MethodInfo method)
    {
        if (method.DeclaringType!.IsInterface)
        {
            return "";
        }

        bool overrides = method.GetBaseDefinition() != method;
        return method switch
        {
            { IsStatic: true } => "static ",
            { IsAbstract: true } => overrides ? "abstract override " : "abstract ",
            { IsVirtual: true, IsFinal: false } => overrides ? "override " : "virtual ",
            { IsVirtual: true } when overrides => "sealed override ",
            _ => "",
        };
    }

    private static string Modifiers(FieldInfo field)
        => field.IsLiteral ? "const " : (field.IsStatic ? "static " : "") + (field.IsInitOnly ? "readonly " : "");

    private static string Generics(MethodInfo method)
        => method.IsGenericMethodDefinition ? $"<{string.Join(", ", method.GetGenericArguments().Select(Name))}>" : "";

    private static string Constraints(Type[] arguments)
        => string.Concat(arguments.Where(argument => argument.IsGenericParameter).Select(argument =>
        {
            string[] constraints =
            [
                .. argument.GenericParameterAttributes.HasFlag(GenericParameterAttributes.ReferenceTypeConstraint)
                    ? ["class"]
                    : Array.Empty<string>(),
                .. argument.GetGenericParameterConstraints().Select(Name),
            ];
            return constraints.Length > 0 ? $" where {argument.Name} : {string.Join(", ", constraints)}" : "";
        }));

    private static string Parameters(MethodBase method)
        => string.Join(", ", method.GetParameters().Select(parameter =>
        {
            string direction = parameter switch
            {
                { IsOut: true } => "out ",
                { ParameterType.IsByRef: true, IsIn: true } => "in ",
                { ParameterType.IsByRef: true } => "ref ",
                _ => "",
            };
            string value = parameter.HasDefaultValue ? $" = {Literal(parameter.RawDefaultValue)}" : "";
            return $"{direction}{Annotated(parameter)} {parameter.Name}{value}";
        }));

    private static string Annotated(ParameterInfo parameter)
    {
        Type type = parameter.ParameterType.IsByRef ? parameter.ParameterType.GetElementType()! : parameter.ParameterType;
        bool isNullable = !type.IsValueType && s_nullability.Create(parameter).ReadState == NullabilityState.Nullable;
        return Name(type) + (isNullable ? "?" : "");
    }

    private static string Literal(object? value) => value switch
    {
        null => "default",
        string text => $"\"{text}\"",
        bool flag => flag ? "true" : "false",
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };

    private static string Name(Type type)
    {
        if (s_keywords.TryGetValue(type, out string? keyword))
        {
            return keyword;
        }

        if (type.IsArray)
        {
            return $"{Name(type.GetElementType()!)}[]";
        }

        if (Nullable.GetUnderlyingType(type) is { } underlying)
        {
            return $"{Name(underlying)}?";
        }

        string name = type.IsNested && !type.IsGenericParameter ? $"{Name(type.DeclaringType!)}.{type.Name}" : type.Name;
        return type.IsGenericType
            ? $"{name.Split('`')[0]}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>"
            : name;
    }
}
