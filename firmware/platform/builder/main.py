"""Builds one ELF from the sources that the environment selects; flags come from the rendered platformio.ini."""

from SCons.Script import DefaultEnvironment

env = DefaultEnvironment()
code_flags = env.GetProjectOption("custom_code_flags").split()

env.Replace(
    AR="arm-none-eabi-gcc-ar",
    AS="arm-none-eabi-gcc",
    CC="arm-none-eabi-gcc",
    CXX="arm-none-eabi-g++",
    LINK="arm-none-eabi-gcc",
    RANLIB="arm-none-eabi-gcc-ranlib",
    PROGNAME="firmware",
    PROGSUFFIX=".elf",
)
env.Append(
    ASFLAGS=[*code_flags, "-x", "assembler-with-cpp"],
    CFLAGS=["-std=c11"],
    CCFLAGS=[*code_flags, "-O2", "-g", "-ffunction-sections", "-fdata-sections"],
    LINKFLAGS=[
        *code_flags, "-O2", "-nostartfiles", "-specs=nano.specs", "-Wl,--gc-sections",
        "-T", env.subst("$PROJECT_DIR/link.ld"), f"-Wl,-Map={env.subst('$BUILD_DIR/firmware.map')}",
    ],
    LIBS=["c", "gcc"],
)  # fmt: skip
env.Default(env.BuildProgram())
